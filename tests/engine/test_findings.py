"""Probes look and never disturb, wherever they look; methods note numbers of their own."""

from __future__ import annotations

import pytest
import torch
from places import STRANGER

from ticketbench import generator
from ticketbench.engine.execute import execute
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite

GREEDY = """
from dataclasses import dataclass
import torch
from ticketbench import Probe, hookimpl

@dataclass(frozen=True)
class Greedy(Probe):
    name, summary, reference = "greedy", "uses all that a trial offers", "none"
    moments = ("drawn", "trained", "reported")

    def measure(self, trial):
        module = trial.module
        with torch.no_grad():
            for weight in module.parameters():
                weight.fill_(7.0)
        batch = next(trial.batches(3))
        trial.gradient(batch)
        draw = torch.rand((), generator=trial.generator("scores"))
        torch.rand(5)
        return {"draw": float(draw), "first": float(batch.inputs.sum()), "steps": trial.spent.steps}

@hookimpl
def ticketbench_probes():
    return [Greedy()]
"""
RESULTS = ("status", "headline", "curves", "kept", "layers", "train_steps")


@pytest.fixture
def computed(tiny_suite, tmp_path):
    """Records of a row, with or without the probe."""
    plugin = tmp_path / "greedy.py"
    plugin.write_text(GREEDY, encoding="utf-8")
    world = load_plugins([STRANGER, plugin])

    def compute(row: str, probes: str = ""):
        path = tiny_suite(
            ('["dense", "magnitude"]', f'["{row}"]'),
            ("[0.5]", "[0.25]"),
            ('recipe = "plain"', f'recipe = "plain"\n{probes}'),
        )
        suite = read_suite(path)
        found = execute(make_plan(suite, "smoke", world).cells, Resolver(world), suite.headline)
        return [record.as_dict() for record in found]

    return compute


@pytest.mark.parametrize("row", ["imp", "snip", "random", "rigl"])
def test_a_probe_changes_nothing(computed, row: str):
    """It overwrites its copy, draws batches and random numbers in the middle of drawing; all results are the same."""
    for without, looked in zip(computed(row), computed(row, 'probes = ["greedy"]'), strict=True):
        assert [without[name] for name in RESULTS] == [looked[name] for name in RESULTS]


def test_every_moment_is_recorded(computed):
    """IMP by halves to a quarter: dense and a half while drawing, the ticket, the end; steps as they were spent."""
    record = computed("imp", 'probes = ["greedy"]')[0]
    steps = [(moment, value) for probe, moment, name, value in record["probes"] if (probe, name) == ("greedy", "steps")]
    assert steps == [("round 0", 20.0), ("round 1", 40.0), ("drawn", 40.0), ("trained", 60.0), ("round 2", 60.0)]


def test_every_look_has_the_same_numbers_of_the_probes_own(computed):
    """So that looks can be compared; others for another seed, and not those the method has for that purpose."""
    first, second = (
        {value for _, _, name, value in record["probes"] if name == "draw"}
        for record in computed("imp", 'probes = ["greedy"]')
    )
    assert [len(first), len(second)] == [1, 1]
    assert first != second
    assert first != {float(torch.rand((), generator=generator(0, "scores")))}


def test_what_a_method_notes_stands_beside_the_probes(computed):
    """IMP's stability after each level that it trained."""
    found = [entry for entry in computed("imp")[0]["probes"] if entry[0] == "imp"]
    assert [entry[1:3] for entry in found] == [("round 0", "stability"), ("round 1", "stability")]
    assert found[0][3] == 0.0
    assert found[1][3] > 0.0
