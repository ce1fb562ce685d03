"""Of many lines of a figure: which have a colour and a name, and where names stand."""

from __future__ import annotations

from types import SimpleNamespace

from ticketbench.render.end_labels import Upright
from ticketbench.report.charts import leading_lines, line_ends
from ticketbench.suite.paper import Metric


def points(*lasts: float):
    """Lines of two points, named a, b, c and so on, that end there."""
    names = "abcdefghijklmnop"
    return [
        {"series": names[at], "x": x, "value": value}
        for at, last in enumerate(lasts)
        for x, value in ((0, 9), (1, last))
    ]


def lines(densities):
    """What chart_of is given of them."""
    return [
        SimpleNamespace(
            label="abcdefghijklmnop"[at], entries=(SimpleNamespace(record=SimpleNamespace(density=density)),)
        )
        for at, density in enumerate(densities)
    ]


def test_eight_lines_have_a_colour():
    """The one that is never pruned though it is the worst, then those that end best, in the suite's order."""
    ours = points(3, 1, 4, 1.5, 9, 2, 6, 5, 8, 7, 0)
    whole = [0.1] * 10 + [1]
    assert leading_lines(ours, lines(whole), Metric(title="accuracy")) == list("aceghijk")
    lowest = Metric(title="loss", higher_is_better=False)
    assert leading_lines(ours, lines([0.1] * 11), lowest) == list("abcdfghk")


def test_fewer_lines_all_have_one():
    """And nothing is chosen."""
    assert leading_lines(points(3, 1, 2), lines([0.1, 0.1, 0.1]), Metric(title="accuracy")) == list("abc")


def test_a_line_ends_on_the_right_within_the_axis():
    """The last x, or the first of an axis that falls; a value beyond the axis is named at its edge."""
    axis = Upright(0.5, 5.0, 100)
    assert line_ends(points(0.1, 3), SimpleNamespace(x_reversed=False), axis) == {"a": (1, 0.5), "b": (1, 3)}
    assert line_ends(points(0.1), SimpleNamespace(x_reversed=True), axis) == {"a": (0, 5.0)}
