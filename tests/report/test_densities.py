"""Figures over densities: eight initializers, eleven seeds, twenty levels, and rows with a cell for each density."""

from __future__ import annotations

import statistics
import xml.etree.ElementTree as ElementTree

import pytest
from lottery_store import LEVELS, SUITE, accuracy, lottery, record

from ticketbench.report.build import build_report
from ticketbench.report.charts import chart_of, write_chart
from ticketbench.results.results import gather_results
from ticketbench.suite.suite import read_suite


@pytest.fixture
def drawn(tmp_path, plugins):
    """The lottery report's drawings by name, and its results."""

    def make(change=record, text=SUITE):
        path, store = lottery(tmp_path, plugins, change, text)
        results = gather_results(store, read_suite(path), "smoke", plugins)
        return {drawing.figure.name: drawing for drawing in build_report(results).drawings}, results

    return make


def lines_of(drawing):
    """A table's lines by their labels, as columns by name."""
    return {line[0]: dict(zip(drawing.grid.columns, line, strict=True)) for line in drawing.grid.lines}


def test_lines_are_told_apart_by_options_of_their_initializers(drawn):
    """Eight lines of one row; of those with one gain only the distribution differs."""
    drawings, _ = drawn()
    assert [one.label for one in drawings["figure-3"].series] == [
        f"imp {name} distribution={shape}" for name in ("glorot", "he") for shape in ("uniform", "normal")
    ]
    labels = [one.label for one in drawings["all"].series]
    assert len(set(labels)) == 8
    assert labels[-1] == "imp glorot distribution=normal gain=2.0"
    assert all(len(one.curves) == 11 for one in drawings["all"].series)


def test_a_column_is_the_nearest_level(drawn):
    """0.069 is 0.8 ** 12 and 0.035 is 0.8 ** 15; 0.023 is two percent off 0.8 ** 17 and is not there."""
    drawings, _ = drawn()
    found = lines_of(drawings["figure-3"])["imp he distribution=normal"]
    axes = {"row": "imp", "initializer": "he", "density": 0.0144}
    values = [accuracy({**axes, "seed": seed}, LEVELS[12]) for seed in range(42, 53)]
    assert found["at 6.9 %"] == f"{100 * statistics.fmean(values):.1f} ±{100 * statistics.stdev(values):.1f}"
    assert (found["at 3.5 %"][:4], found["at 2.3 %"]) == ("86.9", "–")
    assert drawings["figure-3"].grid.notes == ["not judged at 2.3 %: this tier has 20 points from 1.44 % to 100 %"]


def test_a_level_is_kept_down_to_a_density(drawn):
    """In percent: 0.8 ** 13 keeps 90 % for every seed, 0.8 ** 14 does not."""
    drawings, _ = drawn()
    axes = {"row": "imp", "initializer": "he", "density": 0.0144}
    assert all(accuracy({**axes, "seed": seed}, LEVELS[13]) >= 0.9 for seed in (42, 52))
    assert not any(accuracy({**axes, "seed": seed}, LEVELS[14]) >= 0.9 for seed in (42, 52))
    assert lines_of(drawings["figure-3"])["imp he distribution=normal"]["to 90 %"] == "5.5 ±0"


def test_the_band_is_what_the_suite_asks_for(drawn):
    """A deviation to each side of the mean, or the smallest and the largest seed."""
    drawings, _ = drawn()
    (point, *_) = drawings["figure-3"].series[0].points("std")
    values = [curve.at(point.x) for curve in drawings["figure-3"].series[0].curves.values()]
    assert point.high - point.mean == pytest.approx(statistics.stdev(values))
    assert point.mean - point.low == pytest.approx(statistics.stdev(values))
    (point, *_) = drawings["figure-3"].series[0].points()
    assert (point.low, point.high, point.seeds) == (min(values), max(values), 11)


def test_one_seed_has_no_deviation(drawn):
    """Then the band has no width."""
    drawings, _ = drawn(lambda axes: record(axes) if axes["seed"] == 42 else None)
    assert all(point.low == point.mean == point.high for point in drawings["all"].series[0].points("std"))


def test_rows_with_a_cell_for_each_density_join_the_figure(drawn):
    """Random as one line of four points, each of its own cell; dense as one point."""
    drawings, _ = drawn()
    points = {one.label: [round(point.x, 3) for point in one.points()] for one in drawings["rows"].series}
    assert points["random"] == [0.035, 0.069, 0.168, 0.512]
    assert points["dense"] == [1.0]
    assert len(points["imp"]) == 20
    found = lines_of(drawings["rows"])
    assert (found["random"]["at 6.9 %"][:4], found["imp"]["at 6.9 %"][:4]) == ("69.8", "95.0")


def test_seeds_that_miss_a_count_by_a_weight_share_a_point(drawn):
    """A method that drops whole units hits no density exactly; within 1 % its seeds are averaged."""

    def change(axes):
        exact = axes["density"] * (1 - (axes["seed"] - 42) / 2000)
        return {**record(axes), "curves": [("test", "blobs", "accuracy", 0, "density", exact, 0.5)]}

    drawings, _ = drawn(change)
    random = next(one for one in drawings["rows"].series if one.row == "random")
    assert [(round(point.x, 3), point.seeds) for point in random.points()] == [
        (0.035, 11),
        (0.069, 11),
        (0.168, 11),
        (0.512, 11),
    ]


def test_the_axis_falls_in_percent(drawn, tmp_path):
    """From 100 % on the left to 1 % on the right, and only the asked part of y."""
    drawings, results = drawn()
    drawing = drawings["figure-3"]
    chart = chart_of(results, drawing.figure, drawing.series)
    x, y = (chart["layer"][-1]["encoding"][name] for name in "xy")
    assert (x["scale"]["type"], x["scale"]["reverse"], x["axis"]["format"]) == ("log", True, "~%")
    assert (y["scale"]["domain"], chart["layer"][-1]["mark"]["clip"]) == ([0.7, 1.0], True)
    assert chart["config"]["legend"]["columns"] < 6
    root = ElementTree.parse(write_chart(chart, tmp_path, "f")["svg"]).getroot()
    places = {}
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        if text.text in ("100%", "10%", "2%") and "rotate" not in text.get("transform", ""):
            places.setdefault(text.text, float(text.get("transform").removeprefix("translate(").partition(",")[0]))
    assert places["100%"] < places["10%"] < places["2%"]


def test_a_table_of_probes_has_a_line_for_each_initializer(drawn):
    """Mean and deviation of 0.67 to 0.77 over eleven seeds."""
    drawings, _ = drawn()
    values = [0.25 + seed / 100 for seed in range(42, 53)]
    assert drawings["table-probes"].grid.columns == ("row", "", "seeds", "distance round 3 hamming", "notes")
    assert [line[3] for line in drawings["table-probes"].grid.lines] == [f"0.72 ±{statistics.stdev(values):.3g}"] * 2


def test_protocols_of_one_task_share_a_figure(drawn):
    """The own ticket beside the carried one, told apart by the protocol."""
    block = 'protocols = ["same"]\ninitializers = [{ name = "glorot", distribution = "uniform", gain = 1.0 }]'
    assert block in SUITE
    carried = 'protocols = ["same", { name = "out_of_distribution", other = "blobs" }]'
    figure = 'name = "rows"\nprotocols = ["same", "out_of_distribution"]'
    text = SUITE.replace('protocols = ["same"]', carried, 1).replace('name = "rows"', figure)
    drawings, _ = drawn(text=text)
    assert drawings["rows"].series[0].label == "imp same"
    assert drawings["rows"].series[1].label.startswith("imp out_of_distribution")
    assert {one.row for one in drawings["rows"].series} == {"imp", "random", "dense"}


def test_what_drops_whole_units_stands_at_the_density_asked_for(drawn):
    """A cell that keeps 5 % fewer weights than its density is that density's point, with its own value."""

    def change(axes):
        exact = axes["density"] * 0.95
        row = {**record(axes), "exact_density": exact}
        return (
            {**row, "curves": [("test", "blobs", "accuracy", 0, "density", exact, 0.25)]}
            if axes["row"] == "random"
            else row
        )

    drawings, _ = drawn(change)
    random = next(one for one in drawings["rows"].series if one.row == "random")
    assert [(round(point.x, 3), point.mean) for point in random.points()] == [
        (0.035, 0.25),
        (0.069, 0.25),
        (0.168, 0.25),
        (0.512, 0.25),
    ]
