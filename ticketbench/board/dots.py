"""A board's charts of dots and bars: cost against accuracy, and ranges of ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ticketbench.board.charted import Names, charted_standings, y_axis
from ticketbench.board.place import Place
from ticketbench.render.end_labels import LETTERS
from ticketbench.render.style import COLOURS, HEIGHT, WIDTH, Datum, colour_of, finished, ranged
from ticketbench.suite.paper import Metric

MOST_BARS = 36
LETTER = 7
"""Pixels of a letter of a legend, with the letters of its size."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
"""One for each colour, so that nobody has to tell colours."""


def by_cost(places: Sequence[Place], shown: Sequence[str], metric: Metric, names: Names) -> dict[str, Any] | None:
    """Seconds to draw and train a ticket against what it reaches; on the line nobody is cheaper and as good."""
    data: list[Datum] = []
    seen: set[tuple[object, ...]] = set()
    for _, one in charted_standings(places, shown):
        seconds = one.line.costs.get("draw_seconds", 0.0) + one.line.costs.get("train_seconds", math.nan)
        if math.isfinite(seconds) and seconds > 0 and one.line.identity not in seen:
            seen.add(one.line.identity)
            name, density = names[one.line.identity], one.line.density
            data.append({"series": name, "x": seconds, "value": one.interval.mean, "density": density})
    if not data:
        return None
    known = list(dict.fromkeys(point["series"] for point in data))
    x = alt.X("x:Q", title="seconds to draw and train", scale=alt.Scale(type="log", nice=False, padding=24))
    y = alt.Y("value:Q", title=metric.title, scale=alt.Scale(zero=False), axis=y_axis(metric))
    tips = [
        alt.Tooltip("series:N"),
        alt.Tooltip("density:Q", format=".3"),
        alt.Tooltip("x:Q", format=".3"),
        alt.Tooltip("value:Q", format=".4", title="mean"),
    ]
    pick = alt.selection_point(fields=["series"], bind="legend", name="pick")
    clear = alt.condition(pick, alt.value(0.95), alt.value(0.1))
    shape = alt.Shape("series:N", title=None, scale=alt.Scale(domain=known, range=list(SHAPES[: len(known)])))
    dots = alt.Chart(alt.InlineData(values=data)).mark_point(size=70, filled=True)
    front = alt.Chart(alt.InlineData(values=pareto(data, metric.higher_is_better)))
    line = front.mark_line(color="#888888", strokeDash=[4, 3], interpolate="step-after", strokeWidth=1.5)
    layers = [
        line.encode(x=x, y=y),
        dots.encode(x=x, y=y, color=colour_of(known), shape=shape, opacity=clear, tooltip=tips),
    ]
    title = f"{metric.title} and its cost; dashed: the Pareto front"
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title).add_params(pick)
    return dotted(readable_labels(finished(chart, known, WIDTH), known))


def pareto(data: Sequence[Datum], higher: bool) -> list[Datum]:
    """The points that no cheaper point equals or beats, cheapest first."""
    front: list[Datum] = []
    for point in sorted(data, key=lambda point: (point["x"], -point["value"] if higher else point["value"])):
        if not front or (point["value"] > front[-1]["value"] if higher else point["value"] < front[-1]["value"]):
            front.append({"x": point["x"], "value": point["value"]})
    return front


def competing(places: Sequence[Place]) -> list[Place]:
    """The places whose entries do not all have the same ranks."""
    return [place for place in places if len({one.ranks for one in place.standings}) > 1]


def by_rank(places: Sequence[Place], names: Names) -> dict[str, Any] | None:
    """Each line's range of ranks as a bar, density by density; None where no ranks differ."""
    data: list[Datum] = [
        {
            "line": f"{names[one.line.identity]} · {place.density:.3g}",
            "density": f"{place.density:.3g}",
            "first": one.ranks.first - 0.3,
            "last": one.ranks.last + 0.3,
            "mean": one.interval.mean,
            "ranks": f"{one.ranks.first} to {one.ranks.last}",
        }
        for place in competing(places)
        for one in place.standings
    ]
    if not data:
        return None
    data = data[:MOST_BARS]
    order = list(dict.fromkeys(point["line"] for point in data))
    densities = list(dict.fromkeys(point["density"] for point in data))
    most = max(point["last"] for point in data) + 0.2
    tips = [alt.Tooltip("line:N"), alt.Tooltip("ranks:N"), alt.Tooltip("mean:Q", format=".4")]
    axis = alt.Axis(tickMinStep=1, format="d")
    scale = alt.Scale(domain=[0.5, most], nice=False)
    coloured = alt.Scale(domain=densities, range=ranged(len(densities)))
    legend = alt.Legend() if 1 < len(densities) <= len(COLOURS) else None
    colour = alt.Color("density:N", title="density", scale=coloured, legend=legend)
    chart = alt.Chart(alt.InlineData(values=data)).mark_bar(height=11, cornerRadius=4, opacity=0.85)
    chart = chart.encode(
        x=alt.X("first:Q", title="rank (1 is best)", scale=scale, axis=axis),
        x2="last:Q",
        y=alt.Y("line:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
        color=colour if len(densities) <= len(COLOURS) else alt.value(COLOURS[0]),
        tooltip=tips,
    )
    layered = alt.layer(chart).properties(width=WIDTH, height=max(120, 20 * len(order)), title="Ranges of ranks")
    return dotted(readable_labels(finished(layered, densities, WIDTH), densities))


def readable_labels(chart: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A chart whose legend is as large as its axes, with as many names abreast as fit."""
    room = 30 + LETTER * max(map(len, names), default=0)
    chart["usermeta"]["room"] = room
    chart["config"]["legend"] |= {"labelFontSize": LETTERS, "titleFontSize": LETTERS, "columns": max(1, WIDTH // room)}
    chart["config"]["title"] |= {"subtitleFontSize": LETTERS, "subtitlePadding": 4, "offset": 12}
    return chart


def dotted(chart: dict[str, Any]) -> dict[str, Any]:
    """A chart of dots or bars: its legend shows dots, where that of lines shows strokes."""
    chart["config"]["legend"]["symbolType"] = "circle"
    return chart
