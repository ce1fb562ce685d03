"""What probes measured along something, in a report: lines over steps and over α, on logarithmic axes, in tables."""

from __future__ import annotations

import statistics
import xml.etree.ElementTree as ElementTree

import pytest
from lottery_store import SUITE, lottery, record

from ticketbench.errors import SuiteError
from ticketbench.report.build import build_report
from ticketbench.report.charts import chart_of, write_chart
from ticketbench.results.evidence import points_of, probe_curves, splits
from ticketbench.results.results import gather_results
from ticketbench.suite.suite import read_suite

BASE = SUITE.partition("\n[[figures]]")[0]
FIGURES = """
[metrics."flow/total"]
title = "gradient flow"

[[figures]]
name = "flow"
title = "Gradient flow"
rows = ["random", "dense"]
density = 0.168
split = "probe"
metric = "flow/total"
x_name = "step"
y_scale = "log"
band = "std"
at = [10]

[[figures]]
name = "line"
title = "Between two solutions"
rows = ["random"]
density = 0.168
split = "probe"
metric = "line/loss from prune end"
x_name = "alpha"
x_title = "α"
at = [-0.2, 0.5]

[[figures]]
name = "numbers"
title = "What the probes found"
kind = "table"
rows = ["random"]
probes = ["distance/round 3/hamming"]

[[claims]]
text = "flow grows"
source = "s"
row = "random"
split = "probe"
metric = "flow/total"
x_name = "step"
measure = "value"
x = 20
than = { x = 10 }
expect = "higher"

[[claims]]
text = "the barrier is low"
source = "s"
row = "random"
split = "probe"
metric = "line/loss from prune end"
than = { metric = "line/loss from scratch end" }
measure = "best"
expect = "lower"
"""
FLOW = {0.0: 1e-9, 10.0: 1e-3, 20.0: 2.0}
ALPHAS = {-0.2: 3.0, 0.0: 1.0, 0.5: 2.0, 1.2: 1.5}


def flow(axes, x):
    """A tenth more each seed, and a hundred times more at the first step of the first; dense is dead at step 10."""
    seed = axes["seed"] - 42
    if axes["row"] == "dense" and x == 10:
        return 0.0
    return FLOW[x] * (100 if seed == x == 0 else 1 + seed / 10)


def measured(axes):
    """Two trainings of the network."""
    points = [("probe", "", "flow/total", 1, "step", x, 77.0) for x in FLOW]
    points += [("probe", "", "flow/total", 2, "step", x, flow(axes, x)) for x in FLOW]
    points += [("probe", "", "flow/layer", 2, "step", x, 5.0) for x in FLOW]
    points += [("probe", "", "line/loss from prune end", 2, "alpha", x, y) for x, y in ALPHAS.items()]
    points += [("probe", "", "line/loss from scratch end", 2, "alpha", x, 4 * y) for x, y in ALPHAS.items()]
    return {**record(axes), "curves": [*record(axes)["curves"], *points]}


def ours_of(chart):
    """The points of our lines."""
    name = chart.get("data", chart["layer"][-1].get("data"))["name"]
    return chart["datasets"][name]


@pytest.fixture
def drawn(tmp_path, plugins):
    """The report's drawings by name, and the report."""

    def make(*changes: tuple[str, str]):
        text = BASE + FIGURES
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path, store = lottery(tmp_path, plugins, measured, text)
        report = build_report(gather_results(store, read_suite(path), "smoke", plugins))
        return {drawing.figure.name: drawing for drawing in report.drawings}, report

    return make


def test_a_line_over_steps_is_of_the_last_training(drawn):
    """Mean over eleven seeds of what was measured in the last one, at each step."""
    drawings, _ = drawn()
    random, dense = drawings["flow"].series
    means = [statistics.fmean(flow({"row": "random", "seed": seed}, x) for seed in range(42, 53)) for x in FLOW]
    assert [point.x for point in random.points()] == list(FLOW)
    assert [point.mean for point in random.points()] == pytest.approx(means)
    assert [point.mean for point in dense.points()][1] == 0.0
    assert drawings["flow"].grid.title == "Gradient flow: gradient flow"
    column = drawings["flow"].grid.columns.index("at 10")
    assert drawings["flow"].grid.lines[0][column].startswith(f"{means[1]:.4g} ±")


def test_a_logarithmic_axis_leaves_out_what_is_not_above_zero(drawn, tmp_path):
    """The dead step and nothing else; a band that would reach below zero ends at the lowest of what is drawn."""
    drawings, report = drawn()
    drawing = drawings["flow"]
    assert drawing.grid.notes == ["not above zero, which a logarithmic axis does not have: 1 of 6 points"]
    assert min(point.low for point in drawing.series[0].points("std")) < 0
    chart = chart_of(report.results, drawing.figure, drawing.series)
    values = ours_of(chart)
    assert [(point["series"], point["x"]) for point in values] == [
        ("random", 0.0),
        ("random", 10.0),
        ("random", 20.0),
        ("dense", 0.0),
        ("dense", 20.0),
    ]
    assert min(point["low"] for point in values) == min(point["value"] for point in values) > 0
    assert all(point["low"] <= point["value"] <= point["high"] for point in values)
    assert all(layer["encoding"]["y"]["scale"]["type"] == "log" for layer in chart["layer"])
    texts = [
        text
        for text in ElementTree.parse(write_chart(chart, tmp_path, "f")["svg"]).getroot().itertext()
        if text.strip()
    ]
    assert {"1e-8", "1"} <= set(texts)
    assert "gradient flow" in texts


def test_a_linear_axis_draws_every_value(drawn):
    """Zero and below, too."""
    drawings, report = drawn(('y_scale = "log"\n', ""))
    drawing = drawings["flow"]
    assert drawing.grid.notes == []
    values = ours_of(chart_of(report.results, drawing.figure, drawing.series))
    assert len(values) == 6
    assert min(point["low"] for point in values) < 0


def test_a_logarithmic_axis_has_the_range_that_is_asked_for(drawn):
    """Of its own kind."""
    drawings, report = drawn(('y_scale = "log"', 'y_scale = "log"\ny_range = [1e-6, 10.0]'))
    drawing = drawings["flow"]
    layer = chart_of(report.results, drawing.figure, drawing.series)["layer"][-1]
    assert layer["encoding"]["y"]["scale"] == {"type": "log", "domain": [1e-6, 10.0]}


def test_nothing_above_zero_is_no_chart(drawn):
    """And no error."""
    drawings, report = drawn()
    drawing = drawings["flow"]
    for one in drawing.series:
        for seed, curve in one.curves.items():
            one.curves[seed] = type(curve)(curve.name, curve.x, (0.0,) * len(curve.x))
    assert chart_of(report.results, drawing.figure, drawing.series) is None


def test_alpha_may_be_negative(drawn, tmp_path):
    """In the line, in the table, and on the axis."""
    drawings, report = drawn()
    drawing = drawings["line"]
    assert [(point.x, point.mean) for point in drawing.series[0].points()] == list(ALPHAS.items())
    found = dict(zip(drawing.grid.columns, drawing.grid.lines[0], strict=True))
    assert (found["at -0.2"], found["at 0.5"]) == ("3 ±0", "2 ±0")
    chart = chart_of(report.results, drawing.figure, drawing.series)
    assert chart["layer"][-1]["encoding"]["x"]["title"] == "α"
    texts = set(ElementTree.parse(write_chart(chart, tmp_path, "f")["svg"]).getroot().itertext())
    assert texts & {"−0.2", "−0.20"}


def test_a_table_of_probes_has_a_line_for_each_density(drawn):
    """Mean and deviation over seeds of ¼ and a hundredth a seed."""
    drawings, _ = drawn()
    values = [0.25 + seed / 100 for seed in range(42, 53)]
    text = f"{statistics.fmean(values):.3g} ±{statistics.stdev(values):.3g}"
    assert [(line[0], line[3]) for line in drawings["numbers"].grid.lines] == [
        (f"random density {density:g}", text) for density in (0.512, 0.168, 0.0687, 0.035)
    ]


def test_a_claim_reads_curves_of_probes(drawn):
    """Two values of one curve, and two curves."""
    _, report = drawn()
    flows = [judged for judged in report.verdicts if judged.number == 1]
    assert {judged.verdict for judged in flows} == {"supports"}
    assert {judged.verdict for judged in report.verdicts if judged.number == 2} == {"supports"}


def test_of_probes_only_the_curves_that_are_spoken_of_are_read(tmp_path, plugins):
    """By figures, by claims and by their other sides; of other splits all."""
    path, store = lottery(tmp_path, plugins, measured, BASE + FIGURES)
    suite = read_suite(path)
    assert splits(suite) == ["probe", "test"]
    assert probe_curves(suite) == {"flow/total", "line/loss from prune end", "line/loss from scratch end"}
    keys = store.read("cells")["key"].to_pylist()[:1]
    points = points_of(store, keys, splits(suite), probe_curves(suite))[keys[0]]
    assert {point.metric for point in points} == {"accuracy", *probe_curves(suite)}
    assert {point.metric for point in points_of(store, keys, ["probe", "train"])[keys[0]]} == {"loss"}


def test_a_logarithmic_axis_starts_above_zero(tmp_path):
    """One message."""
    path = tmp_path / "suite.toml"
    path.write_text(BASE + FIGURES.replace('y_scale = "log"', 'y_scale = "log"\ny_range = [0.0, 1.0]'))
    with pytest.raises(SuiteError, match="y_range starts at 0, which a logarithmic axis does not have"):
        read_suite(path)
