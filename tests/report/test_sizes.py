"""Sizes over time: rounds laid end to end, from made-up and from real records."""

from __future__ import annotations

import pytest
from lottery_store import LEVELS, SUITE, lottery
from plain_records import plain

from ticketbench.report.build import build_report
from ticketbench.report.charts import chart_of
from ticketbench.report.sizes import ends_of, weights_left
from ticketbench.results.results import gather_results
from ticketbench.store.schema import CellRecord, CurvePoint
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite


def trained(rounds):
    """Points of a training curve: round -> the steps that were logged in it."""
    return [
        CurvePoint("train", "", "loss", number, "step", float(step), 0.1) for number, steps in rounds for step in steps
    ]


def judged(densities):
    """A judgement of each round."""
    return [
        CurvePoint("test", "b", "accuracy", number, "density", density, 0.5) for number, density in densities.items()
    ]


ENDS = {
    "rewound to the start": ([(0, (10, 20)), (1, (10, 20)), (2, (10, 20))], 60, {0: 20, 1: 40, 2: 60}),
    "one point a round": ([(0, (20,)), (1, (20,)), (2, (20,))], 60, {0: 20, 1: 40, 2: 60}),
    "rewound to step 4": ([(0, (10, 20)), (1, (10, 20)), (2, (10, 20))], 52, {0: 20, 1: 36, 2: 52}),
    "trained to step 4 before": ([(0, (4, 10, 20)), (1, (10, 20))], 36, {0: 20, 1: 36}),
    "trained on": ([(0, (10,)), (1, (20,)), (2, (25, 30))], 30, {0: 10, 1: 20, 2: 30}),
    "no count of steps": ([(0, (10,)), (1, (10,))], None, {0: 10, 1: 20}),
    "never trained": ([], 0, {}),
}


@pytest.mark.parametrize(("rounds", "steps", "expected"), ENDS.values(), ids=ENDS)
def test_rounds_are_laid_end_to_end(rounds, steps, expected):
    """The step that training goes back to follows from the number of steps trained."""
    assert ends_of(plain(train_steps=steps), trained(rounds)) == expected


def test_a_size_holds_until_the_round_ends():
    """Dense for 20 steps, then 80 % for as many; the second metric of a log is not counted again."""
    points = [*trained([(0, (20,)), (1, (20,))]), *judged({0: 1.0, 1: 0.8})]
    points += [point._replace(metric="error") for point in points if point.split == "train"]
    curve = weights_left(plain(train_steps=40), points)
    assert (curve.x, curve.values) == ((0.0, 20.0, 40.0), (1.0, 0.8, 0.8))
    assert (curve.at(19), curve.at(20), curve.reach(0.8), curve.reach(0.5)) == (1.0, 0.8, 20.0, None)
    assert weights_left(plain(train_steps=0), judged({0: 1.0})) is None


def test_a_figure_of_sizes_falls_by_a_fifth_every_round(tmp_path, plugins):
    """Over epochs: rounds of 50 steps, and the task's 120 examples in batches of 20 make six steps an epoch."""
    path, store = lottery(tmp_path, plugins)
    results = gather_results(store, read_suite(path), "smoke", plugins)
    drawing = next(drawing for drawing in build_report(results).drawings if drawing.figure.name == "figure-2")
    (one,) = drawing.series
    assert [point.x for point in one.points()][:3] == pytest.approx([0, 50 / 6, 100 / 6])
    assert [point.mean for point in one.points()][:19] == pytest.approx(LEVELS[:19])
    assert drawing.grid.lines == [("imp", "ours", "11", "1.4 ±0.0", "100.0 ±0.0", "33.3 ±0", "")]
    line = chart_of(results, drawing.figure, drawing.series)["layer"][-1]
    assert (line["mark"]["interpolate"], line["encoding"]["x"]["title"]) == ("step-after", "epoch")
    assert line["encoding"]["y"]["title"] == "weights remaining"


def test_the_sizes_of_a_real_run(tmp_path, tiny_suite, plugins, records_of):
    """IMP over four rounds of 20 steps, each under half of what was left."""
    from paper_store import ENVIRONMENT

    path = tiny_suite(('["dense", "magnitude"]', '["imp"]'), ("densities = [0.5]", "densities = [0.125]"))
    text = path.read_text() + '\n[[figures]]\nname = "f"\ntitle = "f"\nkind = "size"\n'
    path.write_text(text)
    store = Store(tmp_path / "s", create=True)
    store.add([CellRecord.from_dict(one) for one in records_of(path)], ENVIRONMENT)
    (drawing,) = build_report(gather_results(store, read_suite(path), "smoke", plugins)).drawings
    points = drawing.series[0].points()
    assert [point.x for point in points] == [0, 20, 40, 60, 80]
    assert [point.mean for point in points] == pytest.approx([1.0, 0.5, 0.25, 0.125, 0.125], abs=0.02)


def test_a_cell_that_was_not_judged_has_no_size(tmp_path, plugins):
    """Nor has the figure a chart then."""
    path, store = lottery(tmp_path, plugins, lambda axes: {"status": "failed", "reason": "broke"}, SUITE)
    report = build_report(gather_results(store, read_suite(path), "smoke", plugins))
    drawing = next(drawing for drawing in report.drawings if drawing.figure.name == "figure-2")
    assert drawing.grid.notes == ["no cell of this figure has been judged yet"]
    assert chart_of(report.results, drawing.figure, drawing.series) is None
