"""A board's charts: accuracy by density and along the sweep, cost against accuracy, and ranges of ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from ticketbench.board.lines import Line, Subject
from ticketbench.board.table import Place, Standing, Table
from ticketbench.render.style import COLOURS, FEW, HEIGHT, WIDTH, Datum, colour_of, finished, ranged
from ticketbench.suite.paper import Metric

Names = Mapping[tuple[object, ...], str]
MOST_CHARTED = len(COLOURS)
"""Lines in a chart, each in a colour of its own; a board of hundreds shows the best of them."""
MOST_BARS = 36
LETTER = 7
"""Pixels of a letter of a legend, with the letters of its size."""
LETTERS = 12
CHART_KINDS = {
    "density": "by density",
    "sweep": "along the sweep",
    "cost": "cost against accuracy",
    "ranks": "ranges of ranks",
}
"""A chart's kind -> its title."""
BARS = "; uprights: 95 % intervals"


def charts_of(table: Table, setting: Subject, names: Names, where: str) -> dict[str, dict[str, Any]]:
    """The charts of a setting, `where` in words, that have something to show: kind -> Vega-Lite."""
    places = [place for place in table.places if place.setting == setting and place.standings]
    if not places:
        return {}
    metric = table.metrics[places[0].metric]
    places = [place for place in places if place.metric == places[0].metric]
    best = best_lines(places, metric)
    drawn = {
        "density": by_density(places, best[:MOST_CHARTED], metric, names),
        "sweep": by_sweep(places, best[:MOST_CHARTED], metric, names),
        "cost": by_cost(places, best[:MOST_CHARTED], metric, names),
        "ranks": by_rank(places, names),
    }
    made = {kind: chart for kind, chart in drawn.items() if chart is not None}
    entries = sum(len(place.standings) for place in places if len(place.standings) > 1)
    for kind, chart in made.items():
        drawn_part = (
            ("first", MOST_BARS, entries, "entries") if kind == "ranks" else ("best", MOST_CHARTED, len(best), "rows")
        )
        label(chart, where, part(*drawn_part))
    return made


def part(which: str, most: int, count: int, what: str) -> str:
    """Which part is drawn, where it is not all."""
    return f"the {which} {most} of {count} {what}" if count > most else ""


def label(chart: dict[str, Any], where: str, left_out: str) -> None:
    """Say on the picture where it belongs and what it leaves out; the page says the same below it."""
    title = chart["title"]
    chart["title"] = {"text": title, "subtitle": [where, left_out] if left_out else where}
    chart["usermeta"] |= {"title": title, "left_out": left_out}


def best_lines(places: Sequence[Place], metric: Metric) -> list[str]:
    """The rows (submission and name), those first that do best on average over the places."""
    means: dict[str, list[float]] = {}
    for place in places:
        for one in place.standings:
            means.setdefault(series_key(one.line), []).append(one.interval.mean)
    sign = -1.0 if metric.higher_is_better else 1.0
    return sorted(means, key=lambda key: (sign * sum(means[key]) / len(means[key]), key))


def series_key(line: Line) -> str:
    """What is one line in a chart: a row of a submission, at all densities."""
    return repr((line.submission, line.row, line.method, line.scorer))


def charted_standings(places: Sequence[Place], best: Sequence[str]) -> list[tuple[Place, Standing]]:
    """The complete lines that are drawn, best first."""
    order = {key: at for at, key in enumerate(best)}
    found = [(place, one) for place in places for one in place.standings if series_key(one.line) in order]
    return sorted(found, key=lambda pair: (order[series_key(pair[1].line)], -pair[0].density))


def y_of(metric: Metric, field: str = "value:Q") -> alt.Y:
    """The metric's axis, as far as the values reach."""
    axis = alt.Axis(format="~%") if metric.percent else alt.Axis()
    return alt.Y(field, title=metric.title, scale=alt.Scale(zero=False), axis=axis)


def bounded(low: float, high: float, mean: float, metric: Metric) -> tuple[float, float]:
    """An interval as far as it can be drawn: none without width where there is none, shares within 0 and 1."""
    low, high = (low, high) if math.isfinite(low) else (mean, mean)
    return (max(low, min(mean, 0.0)), min(high, max(mean, 1.0))) if metric.percent else (low, high)


def by_density(places: Sequence[Place], best: Sequence[str], metric: Metric, names: Names) -> dict[str, Any] | None:
    """Mean and 95 % interval at every density, the sparsest at the right; None with a single density."""
    if len({place.density for place in places}) < 2:
        return None
    data: list[Datum] = []
    for place, one in charted_standings(places, best):
        low, high = bounded(one.interval.low, one.interval.high, one.interval.mean, metric)
        data.append(
            {
                "series": names[one.line.identity],
                "x": place.density,
                "value": one.interval.mean,
                "low": low,
                "high": high,
            }
        )
    scale = alt.Scale(type="log", reverse=True, nice=False, padding=12)
    ticks = sorted({place.density for place in places}) if len(places) <= 8 else alt.Undefined
    axis = alt.Axis(format="~%", labelOverlap="greedy", values=ticks)
    x = alt.X("x:Q", title="weights kept", scale=scale, axis=axis)
    return lined(data, x, metric, "density", bars=True)


def by_sweep(places: Sequence[Place], best: Sequence[str], metric: Metric, names: Names) -> dict[str, Any] | None:
    """The mean along what the model sweeps, at the sparsest place whose lines have curves."""
    for place in reversed(places):
        swept = [one for _, one in charted_standings([place], best) if len(one.line.curve) > 1]
        if not swept:
            continue
        name = swept[0].line.x_name
        data = [
            {"series": names[one.line.identity], "x": x, "value": value}
            for one in swept
            if one.line.x_name == name
            for x, value in one.line.curve
        ]
        title = f"{name}, at density {place.density:.3g}"
        return lined(data, alt.X("x:Q", title=title, scale=alt.Scale(zero=False, nice=False)), metric, "sweep")
    return None


def lined(data: list[Datum], x: alt.X, metric: Metric, kind: str, bars: bool = False) -> dict[str, Any]:
    """Lines over x, in colours that the legend names."""
    names = list(dict.fromkeys(point["series"] for point in data))
    pick = alt.selection_point(fields=["series"], bind="legend", name="pick")
    base = alt.Chart(alt.InlineData(values=data)).encode(x=x, color=colour_of(names))
    tips = [alt.Tooltip("series:N"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4", title="mean")]
    clear = alt.condition(pick, alt.value(1.0), alt.value(0.1))
    few = len(data) <= FEW * len(names)
    mark = base.mark_line(strokeWidth=2.2, point=alt.OverlayMarkDef(size=34, filled=True) if few else False)
    layers = [mark.encode(y=y_of(metric), opacity=clear, tooltip=tips)]
    if bars:
        faint = alt.condition(pick, alt.value(0.35), alt.value(0.04))
        rule = base.mark_rule(strokeWidth=1.5)
        layers.insert(0, rule.encode(y=y_of(metric, "low:Q"), y2="high:Q", opacity=faint))
    chart = alt.layer(*layers).properties(
        width=WIDTH, height=HEIGHT, title=f"{metric.title} {CHART_KINDS[kind]}{BARS * bars}"
    )
    return readable_labels(finished(chart.add_params(pick), names, WIDTH), names)


def by_cost(places: Sequence[Place], best: Sequence[str], metric: Metric, names: Names) -> dict[str, Any] | None:
    """Seconds to draw and train a ticket against what it reaches; on the line nobody is cheaper and as good."""
    data: list[Datum] = []
    seen: set[tuple[object, ...]] = set()
    for _, one in charted_standings(places, best):
        seconds = one.line.costs.get("draw_seconds", 0.0) + one.line.costs.get("train_seconds", math.nan)
        if math.isfinite(seconds) and seconds > 0 and one.line.identity not in seen:
            seen.add(one.line.identity)
            data.append(
                {
                    "series": names[one.line.identity],
                    "x": seconds,
                    "value": one.interval.mean,
                    "density": one.line.density,
                }
            )
    if not data:
        return None
    shown = list(dict.fromkeys(point["series"] for point in data))
    x = alt.X("x:Q", title="seconds to draw and train", scale=alt.Scale(type="log", padding=12))
    tips = [
        alt.Tooltip("series:N"),
        alt.Tooltip("density:Q", format=".3"),
        alt.Tooltip("x:Q", format=".3"),
        alt.Tooltip("value:Q", format=".4", title="mean"),
    ]
    y = y_of(metric)
    pick = alt.selection_point(fields=["series"], bind="legend", name="pick")
    clear = alt.condition(pick, alt.value(0.95), alt.value(0.1))
    dots = alt.Chart(alt.InlineData(values=data)).mark_point(size=80, filled=True)
    front = alt.Chart(alt.InlineData(values=pareto(data, metric.higher_is_better)))
    line = front.mark_line(color="#888888", strokeDash=[4, 3], interpolate="step-after", strokeWidth=1.5)
    layers = [
        line.encode(x=x, y=y),
        dots.encode(x=x, y=y, color=colour_of(shown), opacity=clear, tooltip=tips),
    ]
    title = f"{metric.title} and its cost; dashed: the Pareto front"
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title).add_params(pick)
    return dotted(readable_labels(finished(chart, shown, WIDTH), shown))


def pareto(data: Sequence[Datum], higher: bool) -> list[Datum]:
    """The points that no cheaper point equals or beats, cheapest first."""
    front: list[Datum] = []
    for point in sorted(data, key=lambda point: (point["x"], -point["value"] if higher else point["value"])):
        if not front or (point["value"] > front[-1]["value"] if higher else point["value"] < front[-1]["value"]):
            front.append({"x": point["x"], "value": point["value"]})
    return front


def by_rank(places: Sequence[Place], names: Names) -> dict[str, Any] | None:
    """Each line's range of ranks as a bar, density by density; None where nothing competes."""
    data: list[Datum] = []
    for place in places:
        if len(place.standings) < 2:
            continue
        data += [
            {
                "line": f"{names[one.line.identity]} · {place.density:.3g}",
                "density": f"{place.density:.3g}",
                "first": one.ranks.first - 0.3,
                "last": one.ranks.last + 0.3,
                "mean": one.interval.mean,
                "ranks": f"{one.ranks.first} to {one.ranks.last}",
            }
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
    colour = alt.Color("density:N", title="density", scale=alt.Scale(domain=densities, range=ranged(len(densities))))
    chart = alt.Chart(alt.InlineData(values=data)).mark_bar(height=11, cornerRadius=4, opacity=0.85)
    chart = chart.encode(
        x=alt.X("first:Q", title="rank (1 is best)", scale=scale, axis=axis),
        x2="last:Q",
        y=alt.Y("line:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
        color=colour,
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
