"""What of a table a chart shows: of many rows those that others are compared with, and the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt

from ticketbench.board.lines import Line
from ticketbench.board.place import Place, Standing
from ticketbench.render.style import COLOURS
from ticketbench.suite.paper import Metric

Names = Mapping[tuple[object, ...], str]
MOST_CHARTED = len(COLOURS)
"""Lines in a chart, each in a colour of its own."""
MOST_REFERENCES = 3
"""Of them, rows that others are compared with."""


def series_key(line: Line) -> str:
    """What is one line in a chart: a row of a submission, at all densities."""
    return repr((line.submission, line.row, line.method, line.scorer))


def best_lines(places: Sequence[Place], metric: Metric) -> list[str]:
    """The rows (submission and name), those first that do best on average over the places."""
    means: dict[str, list[float]] = {}
    for place in places:
        for one in place.standings:
            means.setdefault(series_key(one.line), []).append(one.interval.mean)
    sign = -1.0 if metric.higher_is_better else 1.0
    return sorted(means, key=lambda key: (sign * sum(means[key]) / len(means[key]), key))


def references(places: Sequence[Place], against: Sequence[str]) -> set[str]:
    """The rows that others are compared with, and those that are never pruned."""
    lines = [one.line for place in places for one in place.standings]
    return {series_key(line) for line in lines if line.row in against or line.never_pruned}


def charted_lines(places: Sequence[Place], metric: Metric, against: Sequence[str]) -> list[str]:
    """The rows that a chart shows: first some that others are compared with, then the best of the rest."""
    best, known = best_lines(places, metric), references(places, against)
    first = [key for key in best if key in known][:MOST_REFERENCES]
    return [*first, *(key for key in best if key not in known)][:MOST_CHARTED]


def charted_standings(places: Sequence[Place], shown: Sequence[str]) -> list[tuple[Place, Standing]]:
    """The complete lines that are drawn, in that order."""
    order = {key: at for at, key in enumerate(shown)}
    found = [(place, one) for place in places for one in place.standings if series_key(one.line) in order]
    return sorted(found, key=lambda pair: (order[series_key(pair[1].line)], -pair[0].density))


def y_axis(metric: Metric) -> alt.Axis:
    """How the metric's axis is written."""
    return alt.Axis(format="~%") if metric.percent else alt.Axis()


def bounded(low: float, high: float, mean: float, metric: Metric) -> tuple[float, float]:
    """An interval as far as it can be drawn: none without width where there is none, shares within 0 and 1."""
    low, high = (low, high) if math.isfinite(low) else (mean, mean)
    return (max(low, min(mean, 0.0)), min(high, max(mean, 1.0))) if metric.percent else (low, high)
