"""Probes during training, around changes of the mask, along a curve, and after the judgement."""

from __future__ import annotations

import pytest
from places import STRANGER

from ticketbench.engine.execute import execute
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite

PLUGIN = """
from dataclasses import dataclass

import torch

from ticketbench import Initializer, Method, Points, Probe, TicketError, hookimpl, option


@dataclass(frozen=True)
class Watch(Probe):
    name, summary, reference = "watch", "looks everywhere", "none"
    moments = ("started", "drawn", "trained", "masked", "judged")
    every: int = option(5, "steps")
    fail_at: int = option(-1, "a step at which to fail")

    def steps(self, total):
        return [*range(0, total, self.every), total]

    def measure(self, trial):
        if trial.step == self.fail_at:
            raise ValueError("I looked")
        for weight in trial.module.parameters():
            weight.data.fill_(7.0)
        trial.gradient(next(trial.batches(2)))
        torch.rand(3)
        moved = sum(float((trial.weights[n] - trial.origin[n]).abs().sum()) for n in trial.weights)
        try:
            seen = trial.metrics(trial.outputs(trial.judged.inputs, training=False), trial.judged)["accuracy"]
        except TicketError:
            seen = -1.0
        return {
            "kept": sum(int(m.sum()) for m in trial.mask.values()),
            "moved": moved,
            "seen": seen,
            "companions": len(trial.companions),
            "line": Points("share", ((0.0, float(trial.step)), (1.0, 2.0))),
        }


@dataclass(frozen=True)
class Averaging(Method):
    name, summary, reference = "averaging", "keeps an average of the gradient, and a companion", "none"
    ranks_by = "magnitude"
    average: float = option(0.5, "decay")

    def draw(self, trial):
        trial.prune()
        yield trial.train(until=1, average=self.average)
        trial.note("after one", float(trial.average_gradient["1.weight"].abs().sum()))
        trial.keep("first")
        yield trial.train(until=3, average=self.average)
        live = trial.mask["1.weight"]
        trial.note("where pruned", float(trial.average_gradient["1.weight"][~live].abs().sum()))
        trial.note("after three", float(trial.average_gradient["1.weight"].abs().sum()))
        trial.set_weights({"1.bias": torch.full_like(trial.parameters["1.bias"], 3.0),
                           "1.weight": torch.ones_like(trial.weights["1.weight"])})
        trial.note("bias", float(trial.parameters["1.bias"].mean()))
        trial.note("ones", float(trial.weights["1.weight"].sum()) - float(live.sum()))
        trial.restart()
        trial.note("restarted", float(trial.average_gradient["1.weight"].abs().sum()))


@dataclass(frozen=True)
class Reordered(Method):
    name, summary, reference = "reordered", "trains twice from the same start, in two orders", "none"
    fixed_density = 1.0
    order: int = option(0, "of the first training")

    def draw(self, trial):
        start = trial.snapshot()
        yield trial.train(order=self.order)
        trial.note("end", float(sum(w.double().abs().sum() for w in trial.weights.values())))
        trial.rewind(start)


@dataclass(frozen=True)
class Doubling(Initializer):
    name, summary, reference = "doubling", "all ones, and twice what is there once the mask is known", "none"
    sparse_aware = True

    def initialize(self, module, mask, generator):
        full = all(bool(part.all()) for part in mask.values())
        for weight in module.parameters():
            weight.fill_(1.0) if full else weight.mul_(2.0)


@dataclass(frozen=True)
class Anew(Method):
    name, summary, reference = "anew", "prunes, draws anew, prunes again, and notes the largest weight", "none"
    ranks_by = "random"

    def draw(self, trial):
        trial.prune(0.75)
        trial.reinitialize()
        trial.note("drawn", float(trial.weights["1.weight"].max()))
        trial.prune()
        yield trial.train(until=0)
        trial.note("after", float(trial.weights["1.weight"].max()))


@hookimpl
def ticketbench_initializers():
    return [Doubling()]


@hookimpl
def ticketbench_probes():
    return [Watch()]


@hookimpl
def ticketbench_methods():
    return [Averaging(), Reordered(), Anew()]
"""
RESULTS = ("status", "headline", "kept", "layers", "train_steps")
WATCH = 'recipe = "plain"\nprobes = ["watch"]'


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "watch.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return load_plugins([STRANGER, path])


@pytest.fixture
def computed(tiny_suite, world):
    """Records of a row under changes of the suite's text."""

    def compute(row: str, *changes: tuple[str, str], fleet: int = 1000):
        suite = read_suite(tiny_suite(('["dense", "magnitude"]', f'["{row}"]'), *changes))
        plan = make_plan(suite, "smoke", world, Selection())
        fleets = plan.fleets(plan.cells, "cpu", 1, fleet)
        return [record.as_dict() for part in fleets for record in execute(part.cells, Resolver(world), suite.headline)]

    return compute


def curves_of(record, metric: str, x_name: str = "step"):
    return [
        (point[5], point[6])
        for point in record["curves"]
        if (point[0], point[2], point[4]) == ("probe", metric, x_name)
    ]


@pytest.mark.parametrize("row", ["dense", "rigl", "imp", "snip"])
@pytest.mark.parametrize("fleet", [1, 1000])
def test_looking_changes_no_result(computed, row: str, fleet: int):
    """It looks every five steps and around every mask, draws batches and numbers; curves and results are the same."""
    for without, looked in zip(
        computed(row, fleet=fleet), computed(row, ('recipe = "plain"', WATCH), fleet=fleet), strict=True
    ):
        assert [without[name] for name in RESULTS] == [looked[name] for name in RESULTS]
        assert without["curves"] == [point for point in looked["curves"] if point[0] != "probe"]


def test_it_looks_before_the_first_step_and_after_the_last(computed):
    """Of twenty steps 0, 5, 10, 15 and 20; nothing has moved at the first."""
    record = computed("dense", ('recipe = "plain"', WATCH))[0]
    moved = curves_of(record, "watch/moved")
    assert [step for step, _ in moved] == [0, 5, 10, 15, 20]
    assert moved[0][1] == 0
    assert all(value > 0 for _, value in moved[1:])


def test_a_training_that_stops_on_the_way_is_looked_at_once_a_step(computed):
    """IMP to a half trains twice from step 0: each step once a training, in rounds 1 and 2."""
    record = computed("imp", ('recipe = "plain"', WATCH))[0]
    seen = [(point[3], point[5]) for point in record["curves"] if point[2] == "watch/moved"]
    assert sorted(seen) == [(number, step) for number in (1, 2) for step in (0, 5, 10, 15, 20)]


def test_it_looks_before_and_after_a_change_of_the_mask(computed):
    """One shot to a half: all weights before, half of them after, both at step 0."""
    record = computed("magnitude", ('recipe = "plain"', WATCH))[0]
    ((_, before),) = curves_of(record, "watch/kept before")
    ((_, after),) = curves_of(record, "watch/kept after")
    assert before == record["prunable"]
    assert after == record["kept"] == before / 2


def test_each_moment_leaves_its_numbers(computed):
    """Before anything is drawn all weights are there; the test split is seen after the judgement and never before."""
    record = computed("magnitude", ('recipe = "plain"', WATCH))[0]
    found = {(moment, name): value for _, moment, name, value in record["probes"]}
    assert found["started", "kept"] == record["prunable"]
    assert found["drawn", "kept"] == found["judged", "kept"] == record["kept"]
    assert found["judged", "seen"] == pytest.approx(record["headline"])
    assert {value for (moment, name), value in found.items() if name == "seen" and moment != "judged"} == {-1.0}


def test_points_along_anything_are_a_curve(computed):
    """At the end under the probe's and the value's name; at other moments with the moment."""
    record = computed("magnitude", ('recipe = "plain"', WATCH))[0]
    assert curves_of(record, "watch/line", "share") == [(0.0, 20.0), (1.0, 2.0)] * 2  # trained and judged
    assert curves_of(record, "watch/line drawn", "share") == [(0.0, 0.0), (1.0, 2.0)]
    assert curves_of(record, "watch/line after 0", "share") == [(0.0, 0.0), (1.0, 2.0)]


def test_a_probe_that_fails_while_its_cell_is_trained_ends_this_cell(computed):
    """The row has a status, a reason and a trace."""
    record = computed("dense", ('recipe = "plain"', 'recipe = "plain"\nprobes = [{ name = "watch", fail_at = 10 }]'))[0]
    assert (record["status"], record["reason"]) == ("failed", "ValueError: I looked")
    assert "measure" in record["error"]
    assert record["headline"] != record["headline"]


def test_the_average_of_the_gradient_is_kept_at_pruned_places_too(computed):
    """It starts at zero, lasts over stretches of one training, and is gone with a restart."""
    for record in computed("averaging", ("[methods]", '[methods]\naveraging = { method = "averaging" }')):
        found = {name: value for probe, _, name, value in record["probes"] if probe == "averaging"}
        assert found["after one"] > 0
        assert found["where pruned"] > 0
        assert found["after three"] != found["after one"]
        assert (found["bias"], found["ones"], found["restarted"]) == (3.0, 0.0, 0.0)


def test_another_order_ends_elsewhere(computed):
    """Order 0 is the order of always: the same end as the training that is judged; order 1 is not."""
    ends = {}
    for order in (0, 1):
        row = f'[methods]\nreordered = {{ method = {{ name = "reordered", order = {order} }} }}'
        record = computed("reordered", ("[methods]", row))[0]
        losses = [point[6] for point in record["curves"] if point[0] == "train" and point[5] == 20]
        ends[order] = losses
    assert ends[0][0] == ends[0][1]
    assert ends[1][0] != ends[1][1] == ends[0][1]


def test_a_sparse_aware_initializer_acts_once_for_each_mask(computed):
    """Doubled under the mask at which the weights were drawn anew, and once more under the next one; never twice."""
    row = ("[methods]", '[methods]\nanew = { method = "anew" }')
    for record in computed("anew", row, ('initializers = ["default"]', 'initializers = ["doubling"]')):
        found = {name: value for probe, _, name, value in record["probes"] if probe == "anew"}
        assert found == {"drawn": 2.0, "after": 4.0}
