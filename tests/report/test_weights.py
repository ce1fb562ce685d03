"""Initial weights in a report: the very weights the engine draws, as densities by layer."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from lottery_store import lottery

from ticketbench.engine.bench import Bench
from ticketbench.plan.resolve import Resolver
from ticketbench.report.charts import write_chart
from ticketbench.report.weights import initial_weights, spread_chart, spread_grid, spread_of_weights, spreads_of
from ticketbench.results.results import gather_results
from ticketbench.suite.paper import Figure
from ticketbench.suite.suite import read_suite


@pytest.fixture
def results(tmp_path, plugins):
    """A store with one cell of the lottery suite: what is planned is enough."""
    from lottery_store import record

    path, store = lottery(tmp_path, plugins, lambda axes: record(axes) if axes["seed"] == 44 else None)
    return gather_results(store, read_suite(path), "smoke", plugins)


def test_the_weights_are_those_of_the_engine(cells_of, tiny_suite, plugins):
    """Bit for bit, biases and whatever else is drawn in between."""
    for initializer in ('"default"', '{ name = "glorot", biases = "normal" }'):
        _, cells = cells_of(tiny_suite(('["default"]', f"[{initializer}]")))
        cast = Resolver(plugins).cast(cells[-1].setting)
        stack = Bench([cells[-1]], [cast], torch.device("cpu")).stack
        drawn = initial_weights(cells[-1], cast)
        assert set(drawn) == set(stack.masks)
        assert all(torch.equal(stack.weights(0)[name], part) for name, part in drawn.items())


def test_a_density_integrates_to_one_and_has_the_formula_s_deviation():
    """200,000 uniform weights in ±0.3 (deviation 0.3 / √3) and as many normal ones, over the same bins."""
    source = torch.Generator().manual_seed(0)
    weights = {
        "uniform": torch.empty(400, 500).uniform_(-0.3, 0.3, generator=source),
        "normal": torch.empty(400, 500).normal_(0.0, 0.1, generator=source),
    }
    uniform, normal = spread_of_weights(weights, "", "layer")
    assert (uniform.count, uniform.layer, uniform.edges) == (200_000, "layer", normal.edges)
    assert uniform.std == pytest.approx(0.3 / math.sqrt(3), rel=0.01)
    assert uniform.largest == pytest.approx(0.3, rel=1e-3)
    assert normal.std == pytest.approx(0.1, rel=0.01)
    for one in (uniform, normal):
        width = one.edges[1] - one.edges[0]
        assert math.fsum(one.densities) * width == pytest.approx(1.0)
    middle = len(normal.densities) // 2
    assert normal.densities[middle] == pytest.approx(1 / (0.1 * math.sqrt(2 * math.pi)), rel=0.05)
    assert uniform.densities[middle] == pytest.approx(1 / 0.6, rel=0.05)


def test_weights_that_are_all_zero_have_a_density():
    """All in the middle; nothing is divided by zero."""
    (one,) = spread_of_weights({"zeros": torch.zeros(4, 4)}, "", "layer")
    assert (one.std, one.largest, one.edges[0], one.edges[-1]) == (0.0, 0.0, -1.0, 1.0)


def test_every_layer_is_shown_under_every_initializer(results):
    """Three layers of 240, 800 and 60 weights under eight initializers; the gain doubles the deviation exactly."""
    figure = results.suite.figures[0]
    spreads = spreads_of(results, figure)
    assert [(one.layer, one.count) for one in spreads[::8]] == [("1.weight", 240), ("3.weight", 800), ("5.weight", 60)]
    by_name = {(one.layer, one.initializer): one for one in spreads}
    assert len(by_name) == 24
    plain, double = (by_name["3.weight", f"glorot distribution=uniform gain={gain}"] for gain in ("1.0", "2.0"))
    assert double.std == pytest.approx(2 * plain.std)
    assert plain.largest == pytest.approx(math.sqrt(6 / (40 + 20)), rel=0.02)
    grid = spread_grid(figure, spreads)
    assert grid.columns == ("layer", "initializer", "weights", "mean", "std", "largest |w|")
    assert grid.lines[0][:3] == ("1.weight", "glorot distribution=uniform gain=1.0", "240")


def test_a_figure_may_show_some_initializers(results):
    """Their names are then as short as they may be."""
    figure = Figure(name="f", title="f", kind="initial_weights", initializers=["he"])
    assert {one.initializer for one in spreads_of(results, figure)} == {
        "he distribution=uniform",
        "he distribution=normal",
    }
    nothing = Figure(name="f", title="f", kind="initial_weights", model="elsewhere")
    assert (spreads_of(results, nothing), spread_chart(nothing, [])) == ([], None)
    assert spread_grid(nothing, []).notes == ["this tier plans no cell of this figure"]


def test_the_chart_has_a_part_for_each_layer(results, tmp_path):
    """Side by side, each with axes of its own."""
    figure = results.suite.figures[0]
    chart = spread_chart(figure, spreads_of(results, figure))
    assert chart["resolve"]["scale"] == {"x": "independent", "y": "independent"}
    texts = "".join(ElementTree.parse(write_chart(chart, tmp_path, "f")["svg"]).getroot().itertext())
    assert all(word in texts for word in ("1.weight", "3.weight", "5.weight", "probability density", "gain=2.0"))
