"""What is read off a sweep: by hand where validation is best, ties, what is no number; and of whole runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from interrupted import Interrupter, Runs, assert_same, checkpoint_in

from ticketbench.engine.execute import execute
from ticketbench.engine.reading import Reading, read_off
from ticketbench.errors import SuiteError, TicketError
from ticketbench.plan.cost import cost_of
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.sparse.library import missing
from ticketbench.store.schema import CellRecord, CurvePoint
from ticketbench.store.store import Store
from ticketbench.store.tables import parts_of, records_of
from ticketbench.suite.suite import Headline, read_suite

SWEEP = (2, 4, 6, 8)
TESTED = [0.3, 0.5, 0.9, 0.6]
NAN, INF = math.nan, math.inf
STRINGS = (
    ('"blobs"', '{ name = "prefix_sums", length = 8, examples = 80, test_examples = 40 }'),
    ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet1d", width = 8, iterations = 3 }'),
    ('"same"', '{ name = "extrapolation", judge_at = [12, 9], sweep_from = 1, sweep_to = 9, sweep_every = 2 }'),
    ('metric = "accuracy"\nat = "last"', 'metric = "bit_accuracy"\nat = "validated"'),
)


def validated(values: list[float], higher: bool = True) -> Reading:
    """The reading of one test curve by some validation curve."""
    return read_off(Headline(metric="m", at="validated", higher_is_better=higher), SWEEP, TESTED, values)


@pytest.mark.parametrize(
    ("values", "higher", "x", "value"),
    [
        ([0.1, 0.7, 0.6, 0.2], True, 4, 0.5),  # the best of the test, at 6, is not asked
        ([0.1, 0.7, 0.6, 0.7], True, 4, 0.5),  # of equals the smaller budget
        ([0.0, 0.0, 0.0, 0.0], True, 2, 0.3),
        ([0.1, 0.2, 0.3, 0.4], True, 8, 0.6),
        ([NAN, 0.1, INF, 0.2], True, 8, 0.6),  # what is not finite is never the best
        ([NAN, NAN, INF, NAN], True, 8, 0.6),  # nothing to choose by: the last
        ([NAN, 3.0, 2.0, 2.0], False, 6, 0.9),  # where lower is better
        ([-INF, 3.0, 2.5, 4.0], False, 6, 0.9),
    ],
)
def test_the_budget_is_the_first_that_is_best_on_validation(values, higher: bool, x: int, value: float):
    """Whatever the test curve says; beside it stand that curve's own best and last."""
    found = validated(values, higher)
    assert found == Reading(value, x, best=0.9 if higher else 0.3, last=0.6)
    assert found.overthinking(higher) == pytest.approx(0.3)


def test_the_other_points_of_a_sweep():
    """The best on test, the last, and one by its budget; without a sweep there is one value, and nothing beside it."""
    for at, value, x in (("best", 0.9, 6), ("last", 0.6, 8), (4, 0.5, 4)):
        assert read_off(Headline(metric="m", at=at), SWEEP, TESTED) == Reading(value, x, 0.9, 0.6)
        assert read_off(Headline(metric="m", at=at), (), [0.4]) == Reading(0.4)
    assert Reading(0.4).overthinking(True) is None
    diverged = read_off(Headline(metric="m", at="best"), SWEEP, [NAN, 0.5, 0.4, NAN])
    assert (diverged.value, diverged.x, diverged.best, diverged.overthinking(True)) == (0.5, 4, 0.5, None)
    with pytest.raises(TicketError, match="asks for 5, which the sweep does not judge at"):
        read_off(Headline(metric="m", at=5), SWEEP, TESTED)
    with pytest.raises(TicketError, match="but the sweep was not judged there"):
        validated([])


def assert_chosen(record: CellRecord, label: str) -> None:
    """The stored validation curve says where, the stored test curve what; both of the first judgement."""
    metric = record.headline_metric
    curves: dict[str, dict[float, float]] = {"test": {}, "validation": {}}
    for point in record.curves:
        if (point.judged_on, point.metric, point.x_name) == (label, metric, "iterations"):
            curves[point.split][point.x] = point.value
    test, validation = curves["test"], curves["validation"]
    assert list(test) == list(validation)
    chosen = min(x for x, value in validation.items() if value == max(validation.values()))
    assert (record.headline_x, record.headline) == (chosen, test[chosen])
    assert (record.sweep_best, record.sweep_last) == (max(test.values()), list(test.values())[-1])
    assert record.overthinking == pytest.approx(record.sweep_best - record.sweep_last)


@pytest.mark.parametrize("engine", ["auto", "full"])
def test_a_headline_follows_from_the_stored_curves(tiny_suite, plugins, engine: str):
    """Of the fleets of a plan, of which one is at live weights alone, and of a cell by itself."""
    suite = read_suite(tiny_suite(*STRINGS, ("densities = [0.5]", "densities = [0.1]")))
    plan = make_plan(suite, "smoke", plugins, engine=engine)
    groups = [fleet.cells for fleet in plan.fleets(plan.cells, "cpu", 1)] + [plan.cells[-1:]]
    records = [record for group in groups for record in execute(group, Resolver(plugins), suite.headline)]
    for record in records:
        assert record.status == "ok", record.reason
        assert_chosen(record, "length=12")
    at_live_weights = {record.row for record in records if "sparse" in record.engine}
    assert at_live_weights == ({"magnitude"} if engine == "auto" and not missing() else set())
    assert any(record.headline != record.sweep_best for record in records), "test and validation agree everywhere"


def test_a_headline_survives_pauses(tiny_suite, plugins, tmp_path):
    """With what stands beside it, as if there had been none, densely and at live weights; one takes another's seat."""
    suite = read_suite(tiny_suite(*STRINGS))
    plan = make_plan(suite, "smoke", plugins)
    for fleet in plan.fleets(plan.cells, "cpu", 1):
        one, other = (replace(Runs.of_plan(fleet.cells, plugins, seats=1), headline=suite.headline) for _ in range(2))
        keeper = Interrupter(checkpoint_in(tmp_path), at=lambda number: number % 5 == 0)
        expected = one.undisturbed()
        assert_same(replace(other, left={}).interrupted(keeper), expected)
        assert keeper.stopped > 2
        assert all(found.numbers[-4] is not None for found in expected.values())


def test_drn_reads_where_validation_is_best(ticketbench, tmp_path):
    """The suite itself, by its command, with a worker and a store."""
    words = ("run", "--suite", "drn", "--tier", "smoke", "--seeds", "1", "--method", "dense")
    done = ticketbench(*words, "--store", tmp_path / "store")
    assert done.returncode == 0, done.stderr
    store = Store(tmp_path / "store")
    curves = parts_of(CurvePoint, store.read("curves"))
    records = records_of(store.read("cells"))
    assert len(records) == 1
    for record in records:
        assert_chosen(replace(record, curves=tuple(curves[record.key])), "length=16")
        assert "\nheadline: validated accuracy, higher is better\n" in record.definition


def test_what_decides_the_headline_is_in_the_key(tiny_suite, plugins, cells_of):
    """Where a sweep is read elsewhere than at its end, and nowhere else: other keys stay what they were."""
    texts = {}
    for at in ('"last"', '"best"', '"validated"', "5"):
        _, (cell, *_) = cells_of(tiny_suite(*STRINGS[:3], ('at = "last"', f"at = {at}")))
        texts[at] = [line for line in cell.text().splitlines() if line.startswith("headline")]
        _, (still, *_) = cells_of(tiny_suite(('at = "last"', f"at = {at}")))
        assert "headline" not in still.text()
    assert texts == {
        '"last"': [],
        '"best"': ["headline: best accuracy, higher is better"],
        '"validated"': ["headline: validated accuracy, higher is better"],
        "5": ["headline: 5 accuracy, higher is better"],
    }


def test_a_task_with_nothing_to_choose_on_is_refused(tiny_suite, plugins):
    """When it is planned, by name; no other split is taken instead."""
    path = tiny_suite(*STRINGS, ("test_examples = 40", "test_examples = 176"), ("judge_at = [12, 9]", "judge_at = [8]"))
    with pytest.raises(SuiteError, match=r"blocks \(number 1\).*task 'prefix_sums' has no examples to choose on"):
        make_plan(read_suite(path), "smoke", plugins)


def test_choosing_is_in_the_estimate(tiny_suite, plugins, cells_of):
    """A fifth more examples are judged."""
    judged = {}
    for at in ("last", "validated"):
        _, (cell, *_) = cells_of(tiny_suite(*STRINGS[:3], ('at = "last"', f'at = "{at}"')))
        judged[at] = cost_of(cell.setting, Resolver(plugins)).judging.flops
    assert judged["validated"] == pytest.approx(1.2 * judged["last"])
