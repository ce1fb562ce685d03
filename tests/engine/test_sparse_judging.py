"""Judging at live weights against judging densely: sweeps, rests, streams with carried state, mixed fleets."""

from __future__ import annotations

import pytest
import torch
from machines import needs_machine
from sparse_fleets import IMAGES, MAZES, SEQUENCES, STRINGS, ToldWalk, masked, whatever_is_left

from ticketbench import Model, Task
from ticketbench.engine import judge
from ticketbench.engine.bench import Bench
from ticketbench.engine.data import placed
from ticketbench.engine.judge import Scores, evaluate
from ticketbench.testing import Blobs
from ticketbench.testing.fleet import bench_of
from ticketbench.testing.parts import Parts
from ticketbench_models.conv import Conv2
from ticketbench_models.dtnet import DTNet1D, DTNet2D
from ticketbench_models.feedforward import FeedForward1D
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.mlp import MLP
from ticketbench_models.recurrent import GRU

pytestmark = needs_machine
CPU = torch.device("cpu")
MASKS = ("0.5", "0.05", "empty rows", "an empty layer", "a single weight")


def fleet(model: Model, task: Task, engine: str, words: tuple[str, ...] = MASKS) -> Bench:
    """Members under masks, whose weights are far from small."""
    bench = masked(bench_of(Parts(model=model, task=task, engine=engine), (0.5,), tuple(range(len(words)))), words)
    for member in range(len(words)):
        for weight in bench.stack.weights(member).values():
            weight.mul_(2)
    return bench


def judged(bench: Bench, batch: int, sweep: tuple[int, ...] = ()) -> Scores:
    """Every metric of every member on the test split."""
    task, stack, network = bench.stage.data.task, bench.stack, bench.stage.network
    with torch.no_grad():
        return evaluate(network, stack.parameters, stack.buffers, placed(task, task.test(), CPU), batch, sweep)


def assert_near(found: Scores, expected: Scores, examples: int) -> None:
    """But for rounding, by which the largest of two scores may once be another."""
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.keys() == theirs.keys()
        for name, values in theirs.items():
            near = 1.01 / examples if "accuracy" in name else 0.0
            assert mine[name] == pytest.approx(values, rel=1e-4, abs=near), name


@pytest.mark.parametrize("batch", [5, 60, 500])
@pytest.mark.parametrize(
    ("model", "task", "sweep"),
    [
        (MLP(hidden=(12, 7)), Blobs(), ()),
        (GRU(hidden=6), SEQUENCES, ()),
        (LanguageModel(cell="lstm", hidden=8, embedding=6), ToldWalk(), ()),
        (LanguageModel(cell="gru", hidden=8, embedding=6), ToldWalk(), ()),
        (DTNet1D(width=6, iterations=3), STRINGS, ()),
        (DTNet1D(width=6, iterations=3), STRINGS, (1, 4, 9)),
        (DTNet2D(width=4, iterations=2), MAZES, (5, 2, 5)),
        (FeedForward1D(width=6, iterations=3), STRINGS, (3, 1)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_judged_as_densely(model: Model, task: Task, sweep: tuple[int, ...], batch: int):
    """Batches that leave a rest, streams that are not of one length, budgets in any order."""
    with whatever_is_left():
        sparse, dense = (judged(fleet(model, task, engine), batch, sweep) for engine in ("sparse", "full"))
    assert_near(sparse, dense, 4)


def test_images_are_judged_as_densely():
    """By convolutions and pools."""
    with whatever_is_left():
        sparse, dense = (judged(fleet(Conv2(), IMAGES, engine, ("0.2",)), 7) for engine in ("sparse", "full"))
    assert_near(sparse, dense, 60)


@pytest.mark.parametrize("model", [MLP(hidden=(12, 7)), LanguageModel(cell="gru", hidden=8, embedding=6)])
def test_a_fleet_of_both_kinds(model: Model, monkeypatch):
    """Each member by its own engine, in its own place; dense ones with their own rows."""
    task = Blobs() if isinstance(model, MLP) else ToldWalk()
    words = ("1.0", "0.05", "0.99", "0.1", "1.0")
    densely, lively = [], []
    kept = judge.evaluate_densely, judge.evaluate_live

    def dense_ones(network, parameters, *others):
        densely.append(len(next(iter(parameters.values()))))
        return kept[0](network, parameters, *others)

    def live_ones(*others):
        lively.append(1)
        return kept[1](*others)

    monkeypatch.setattr(judge, "evaluate_densely", dense_ones)
    monkeypatch.setattr(judge, "evaluate_live", live_ones)
    found = judged(fleet(model, task, "sparse", words), 9)
    assert (densely, len(lively)) == ([3], 2)
    assert_near(found, judged(fleet(model, task, "full", words), 9), 40)
