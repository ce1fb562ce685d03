"""Charts: a figure's curves as a Vega-Lite description, drawn here as SVG, PNG and PDF and alive on the page.

A line is the mean over seeds, the band around it runs from the smallest to the largest seed or a deviation to each
side, the dotted upright is the budget of training, and hollow points on dashed lines are the paper's. Drawing needs
no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from ticketbench.files import write_bytes
from ticketbench.render.drawing import svg_of
from ticketbench.render.end_labels import Upright, named_ends, upright
from ticketbench.render.style import COLOURS, FEW, HEIGHT, WIDTH, Datum, colour_of, finished
from ticketbench.report.grids import metric_of
from ticketbench.report.series import Series
from ticketbench.results.measures import training_budget
from ticketbench.results.results import Results
from ticketbench.store.schema import MISSING
from ticketbench.suite.paper import Figure, Metric

OURS, PRINTED = "ours", "paper"


def chart_of(results: Results, figure: Figure, series: Sequence[Series]) -> dict[str, Any] | None:
    """The chart, or None where there is nothing to draw."""
    ours = [
        {
            "series": one.label,
            "source": OURS,
            "x": point.x,
            "value": point.mean,
            "low": point.low,
            "high": point.high,
            "seeds": point.seeds,
        }
        for one in series
        for point in one.points(figure.band)
    ]
    ours = above_zero(ours) if figure.y_scale == "log" else ours
    if not ours:
        return None
    printed = printed_points(figure, series) if results.tier in figure.comparable else []
    printed = [point for point in printed if point["value"] > 0 or figure.y_scale == "linear"]
    metric = metric_of(results, figure)
    leading = leading_lines(ours, series, metric)
    others = [point for point in ours if point["series"] not in leading]
    ours, printed = ([point for point in part if point["series"] not in names_of(others)] for part in (ours, printed))
    names = names_of([*ours, *printed])
    channels = channels_of(figure, metric, [*ours, *others], printed, x_name_of(series), names)
    layers = [*budget_layers(series), *(grey_layer(others, channels, figure) for _ in others[:1])]
    layers += our_layers(ours, channels, figure)
    if printed:
        layers += printed_layers(printed, channels)
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=figure.title).add_params(channels.pick)
    made = finished(chart, leading, WIDTH)
    if others:
        made["usermeta"]["grey"] = f"Grey: {len(names_of(others))} more lines, which the table names"
        made["title"] = {"text": figure.title, "subtitle": made["usermeta"]["grey"]}
    return named_ends(made, line_ends(ours, figure, channels.across), channels.across)


def names_of(points: Sequence[Datum]) -> list[str]:
    """The lines that points belong to, each once."""
    return list(dict.fromkeys(point["series"] for point in points))


def leading_lines(ours: Sequence[Datum], series: Sequence[Series], metric: Metric) -> list[str]:
    """The lines that have a colour of their own: those never pruned, then those that end best, in the suite's order."""
    known = names_of(ours)
    if len(known) <= len(COLOURS):
        return known
    sign = -1.0 if metric.higher_is_better else 1.0
    last = {point["series"]: sign * point["value"] for point in ours}
    whole = {one.label for one in series if all(entry.record.density == 1 for entry in one.entries)}
    best = sorted(known, key=lambda name: (name not in whole, last[name]))[: len(COLOURS)]
    return [name for name in known if name in best]


def line_ends(ours: Sequence[Datum], figure: Figure, axis: Upright) -> dict[str, tuple[float, float]]:
    """Where each line ends on the right, as far as the axis shows it."""
    right = min if figure.x_reversed else max
    ends = {name: right((one["x"], one["value"]) for one in ours if one["series"] == name) for name in names_of(ours)}
    return {name: (x, min(max(value, axis.low), axis.high)) for name, (x, value) in ends.items()}


def above_zero(ours: Sequence[Datum]) -> list[Datum]:
    """What a logarithmic axis has: points above zero; a band that reaches down to zero ends at the lowest of them."""
    floor = min((point[part] for point in ours for part in ("low", "value") if point[part] > 0), default=0.0)
    return [{**point, "low": max(point["low"], floor)} for point in ours if point["value"] > 0]


def x_name_of(series: Sequence[Series]) -> str:
    """The name of what the curves of a figure run over; "x" where none has a name."""
    return next((one.x_name for one in series if one.x_name), "x")


@dataclass(frozen=True)
class Channels:
    """What all layers share: axes, colours, dashes, and the name that was clicked."""

    x: alt.X
    y: alt.Y
    low: alt.Y
    colour: alt.Color
    dash: alt.StrokeDash
    pick: alt.Parameter
    across: Upright


def channels_of(
    figure: Figure, metric: Metric, ours: Sequence[Datum], printed: Sequence[Datum], x_name: str, names: Sequence[str]
) -> Channels:
    """The axes' titles and scales, and a colour for every line."""
    within = all(point["low"] >= 0 and point["high"] <= 1 for point in ours)
    logarithmic = figure.y_scale == "log"
    values = [point[part] for point in [*ours, *printed] for part in ("low", "value", "high") if part in point]
    across = upright(values, HEIGHT, logarithmic)
    if metric.percent and within and not logarithmic:
        across = Upright(0.0, 1.0, HEIGHT)
    if figure.y_range:
        across = Upright(*figure.y_range, HEIGHT, logarithmic)
    y_scale = alt.Scale(type=figure.y_scale, domain=[across.low, across.high])
    y_axis = alt.Axis(format="%") if metric.percent else alt.Axis()
    if figure.y_scale == "log":
        y_axis = alt.Axis(labelExpr=f"format(datum.value, '{'~%' if metric.percent else '~g'}')", tickCount=6)
    x_scale = alt.Scale(
        type=figure.x_scale,
        zero=alt.Undefined if figure.x_scale == "log" else False,
        nice=False,
        padding=8 if figure.x_scale == "log" else alt.Undefined,
        reverse=True if figure.x_reversed else alt.Undefined,
    )
    x_axis = alt.Axis(format="~%") if figure.x_percent else alt.Undefined
    if not figure.x_percent and all(float(point["x"]).is_integer() for point in [*ours, *printed]):
        x_axis = alt.Axis(tickMinStep=1)
    return Channels(
        x=alt.X("x:Q", title=figure.x_title or x_name, scale=x_scale, axis=x_axis),
        y=alt.Y("value:Q", title=metric.title, scale=y_scale, axis=y_axis),
        low=alt.Y("low:Q", title=metric.title, scale=y_scale, axis=y_axis),
        colour=colour_of(names),
        dash=alt.StrokeDash(
            "source:N",
            title=None,
            scale=alt.Scale(domain=[OURS, PRINTED], range=[[1, 0], [5, 4]]),
            legend=alt.Legend() if printed else None,
        ),
        pick=alt.selection_point(fields=["series"], name="pick"),
        across=across,
    )


def grey_layer(others: list[Datum], channels: Channels, figure: Figure) -> alt.Chart:
    """Lines for which there is no colour left, thin and without names."""
    tips = [alt.Tooltip("series:N"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4", title="mean")]
    mark = alt.Chart(alt.InlineData(values=others)).mark_line(
        color="#8a8f96", strokeWidth=1, opacity=0.5, clip=bool(figure.y_range)
    )
    grey: alt.Chart = mark.encode(x=channels.x, y=channels.y, detail="series:N", tooltip=tips)
    return grey


def our_layers(ours: list[Datum], channels: Channels, figure: Figure) -> list[alt.Chart]:
    """Band, mean line, and points where they are few; steps where a value holds until the next."""
    base = alt.Chart(alt.InlineData(values=ours)).encode(x=channels.x, color=channels.colour)
    tips = [alt.Tooltip("series:N"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4", title="mean")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4") for name in ("low", "high")] + [alt.Tooltip("seeds:Q")]
    faint = alt.condition(channels.pick, alt.value(0.18), alt.value(0.03))
    looks: dict[str, Any] = {"clip": True} if figure.y_range else {}
    looks |= {"interpolate": "step-after"} if figure.kind == "size" else {}
    band = base.mark_area(**looks).encode(y=channels.low, y2="high:Q", tooltip=tips, opacity=faint)
    few = max(Counter(point["series"] for point in ours).values()) <= FEW
    line = base.mark_line(strokeWidth=2.2, point=alt.OverlayMarkDef(size=28, filled=True) if few else False, **looks)
    clear = alt.condition(channels.pick, alt.value(1.0), alt.value(0.1))
    return [band, line.encode(y=channels.y, strokeDash=channels.dash, opacity=clear, tooltip=tips)]


def printed_layers(printed: list[Datum], channels: Channels) -> list[alt.Chart]:
    """The paper's points: hollow, on dashed lines."""
    base = alt.Chart(alt.InlineData(values=printed)).encode(x=channels.x, y=channels.y, color=channels.colour)
    clear = alt.condition(channels.pick, alt.value(0.9), alt.value(0.1))
    tips = [alt.Tooltip("series:N"), alt.Tooltip("source:N"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4")]
    line = base.mark_line(strokeWidth=1.6).encode(strokeDash=channels.dash, opacity=clear, tooltip=tips)
    points = base.mark_point(size=60, filled=False, strokeWidth=1.8).encode(opacity=clear, tooltip=tips)
    return [line, points]


def printed_points(figure: Figure, series: Sequence[Series]) -> list[Datum]:
    """The paper's points, in the colour of our first line of that row."""
    labels: dict[str, str] = {}
    for one in series:
        labels.setdefault(one.row, one.label)
    return [
        {"series": labels.get(part.row, part.row), "source": PRINTED, "x": x, "value": value}
        for part in figure.references
        for x, value in part.points
    ]


def budget_layers(series: Sequence[Series]) -> list[alt.Chart]:
    """An upright dotted line at the budget of training, where all lines have the same."""
    name = x_name_of(series)
    budgets = {
        training_budget(entry.record, name) for one in series for entry in one.entries if entry.status != MISSING
    }
    (budget,) = budgets if len(budgets) == 1 else (None,)
    if budget is None:
        return []
    chart = alt.Chart(alt.InlineData(values=[{"budget": budget}]))
    tips = [alt.Tooltip("budget:Q", title=f"{name} in training")]
    return [chart.mark_rule(strokeDash=[2, 3], opacity=0.6, color="#888888").encode(x="budget:Q", tooltip=tips)]


def write_chart(chart: dict[str, Any], folder: Path, name: str) -> dict[str, Path]:
    """The chart as files: kind -> path."""
    made = {
        "svg": svg_of(chart).encode(),
        "png": vl_convert.vegalite_to_png(chart, scale=2),
        "pdf": vl_convert.vegalite_to_pdf(chart),
    }
    paths = {}
    for kind, content in made.items():
        paths[kind] = folder / f"{name}.{kind}"
        write_bytes(paths[kind], content)
    return paths
