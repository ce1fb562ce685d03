"""A board's charts: accuracy by density and along the sweep, cost against accuracy, and ranges of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from ticketbench.board.charted import (
    Names,
    best_lines,
    bounded,
    charted_lines,
    charted_standings,
    references,
    series_key,
    y_axis,
)
from ticketbench.board.dots import MOST_BARS, by_cost, by_rank, competing, readable_labels
from ticketbench.board.lines import Subject
from ticketbench.board.place import Place
from ticketbench.board.table import Table
from ticketbench.render.end_labels import named_ends, upright
from ticketbench.render.style import FEW, HEIGHT, WIDTH, Datum, colour_of, finished
from ticketbench.suite.paper import Metric

CHART_KINDS = {
    "density": "by density",
    "sweep": "along the sweep",
    "cost": "cost against accuracy",
    "ranks": "ranges of ranks",
}
"""A chart's kind -> its title."""
BARS, DASHED = "; uprights: 95 % intervals", "; dashed: compared with"
CHARTED_DIGITS = 5
"""Of a number in a chart; the pictures are some hundred pixels high."""
DASHES = ([1, 0], [6, 4])
"""Of a row, and of one that others are compared with."""


def charts_of(table: Table, setting: Subject, names: Names, where: str) -> dict[str, dict[str, Any]]:
    """The charts of a setting, `where` in words, that have something to show: kind -> Vega-Lite."""
    places = [place for place in table.places if place.setting == setting and place.standings]
    if not places:
        return {}
    metric = table.metrics[places[0].metric]
    places = [place for place in places if place.metric == places[0].metric]
    shown, known = charted_lines(places, metric, table.against), references(places, table.against)
    drawn = {
        "density": by_density(places, shown, known, metric, names),
        "sweep": by_sweep(places, shown, known, metric, names),
        "cost": by_cost(places, shown, metric, names),
        "ranks": by_rank(places, names),
    }
    made = {kind: chart for kind, chart in drawn.items() if chart is not None}
    rows, entries = len(best_lines(places, metric)), sum(len(place.standings) for place in competing(places))
    best = f"{len(shown)} of {rows} rows: those compared with, and the best" if rows > len(shown) else ""
    first = f"the first {MOST_BARS} of {entries} entries" if entries > MOST_BARS else ""
    for kind, chart in made.items():
        label(chart, where, first if kind == "ranks" else best)
    return {kind: shortened(chart) for kind, chart in made.items()}


def shortened(part: Any) -> Any:
    """A chart whose numbers have the digits that can be seen."""
    if isinstance(part, dict):
        return {name: shortened(value) for name, value in part.items()}
    if isinstance(part, list):
        return [shortened(value) for value in part]
    return float(f"{part:.{CHARTED_DIGITS}g}") if isinstance(part, float) else part


def label(chart: dict[str, Any], where: str, left_out: str) -> None:
    """Say on the picture where it belongs and what it leaves out; the page says the same below it."""
    title = chart["title"]
    chart["title"] = {"text": title, "subtitle": [where, left_out] if left_out else where}
    chart["usermeta"] |= {"title": title, "left_out": left_out}


def by_density(
    places: Sequence[Place], shown: Sequence[str], known: set[str], metric: Metric, names: Names
) -> dict[str, Any] | None:
    """Mean and 95 % interval at every density, the sparsest at the right; None with a single density."""
    if len({place.density for place in places}) < 2:
        return None
    data: list[Datum] = []
    for place, one in charted_standings(places, shown):
        low, high = bounded(one.interval.low, one.interval.high, one.interval.mean, metric)
        point = {"series": names[one.line.identity], "x": place.density, "value": one.interval.mean}
        data.append({**point, "low": low, "high": high, "known": series_key(one.line) in known})
    scale = alt.Scale(type="log", reverse=True, nice=False, padding=12)
    ticks = sorted({place.density for place in places}) if len(places) <= 8 else alt.Undefined
    axis = alt.Axis(format="~%", labelOverlap="greedy", values=ticks)
    x = alt.X("x:Q", title="weights kept", scale=scale, axis=axis)
    return lined(data, x, metric, "density", reverse=True)


def by_sweep(
    places: Sequence[Place], shown: Sequence[str], known: set[str], metric: Metric, names: Names
) -> dict[str, Any] | None:
    """The mean along what the model sweeps, at the sparsest place whose lines have curves."""
    for place in reversed(places):
        swept = [one for _, one in charted_standings([place], shown) if len(one.line.curve) > 1]
        if not swept:
            continue
        name = swept[0].line.x_name
        data = [
            {"series": names[one.line.identity], "x": x, "value": value, "known": series_key(one.line) in known}
            for one in swept
            if one.line.x_name == name
            for x, value in one.line.curve
        ]
        title = f"{name}, at density {place.density:.3g}"
        return lined(data, alt.X("x:Q", title=title, scale=alt.Scale(zero=False, nice=False)), metric, "sweep")
    return None


def lined(data: list[Datum], x: alt.X, metric: Metric, kind: str, reverse: bool = False) -> dict[str, Any]:
    """Lines over x, with a name at the end of each."""
    names = list(dict.fromkeys(point["series"] for point in data))
    values = (point[part] for point in data for part in ("low", "value", "high") if part in point)
    across = upright(values, HEIGHT, share=metric.percent)
    scale = alt.Scale(domain=[across.low, across.high], nice=False)
    pick = alt.selection_point(fields=["series"], name="pick")
    dash = alt.StrokeDash("known:N", legend=None, scale=alt.Scale(domain=[False, True], range=list(DASHES)))
    base = alt.Chart(alt.InlineData(values=data)).encode(x=x, color=colour_of(names))
    tips = [alt.Tooltip("series:N"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4", title="mean")]
    clear = alt.condition(pick, alt.value(1.0), alt.value(0.1))
    few = len(data) <= FEW * len(names)
    mark = base.mark_line(strokeWidth=2.2, point=alt.OverlayMarkDef(size=34, filled=True) if few else False)
    y, bars = alt.Y("value:Q", title=metric.title, scale=scale, axis=y_axis(metric)), "low" in data[0]
    layers = [mark.encode(y=y, strokeDash=dash, opacity=clear, tooltip=tips)]
    if bars:
        faint = alt.condition(pick, alt.value(0.35), alt.value(0.04))
        low = alt.Y("low:Q", title=metric.title, scale=scale, axis=y_axis(metric))
        layers.insert(0, base.mark_rule(strokeWidth=1.5).encode(y=low, y2="high:Q", opacity=faint))
    title = f"{metric.title} {CHART_KINDS[kind]}{BARS * bars}{DASHED * any(point['known'] for point in data)}"
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title).add_params(pick)
    last = min if reverse else max
    ends = {name: last((point["x"], point["value"]) for point in data if point["series"] == name) for name in names}
    return named_ends(readable_labels(finished(chart, names, WIDTH), names), ends, across)
