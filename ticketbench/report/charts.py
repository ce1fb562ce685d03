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
from ticketbench.render.style import FEW, HEIGHT, WIDTH, Datum, colour_of, finished
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
    channels = channels_of(figure, metric_of(results, figure), ours, printed, x_name_of(series))
    layers = [*budget_layers(series), *our_layers(ours, channels, figure)]
    if printed:
        layers += printed_layers(printed, channels)
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=figure.title).add_params(channels.pick)
    return finished(chart, [one.label for one in series], WIDTH)


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


def channels_of(
    figure: Figure, metric: Metric, ours: Sequence[Datum], printed: Sequence[Datum], x_name: str
) -> Channels:
    """The axes' titles and scales, and a colour for every line."""
    within = all(point["low"] >= 0 and point["high"] <= 1 for point in ours)
    y_scale = alt.Scale(domain=[0, 1]) if metric.percent and within else alt.Scale(zero=False)
    if figure.y_scale == "log":
        y_scale = alt.Scale(type="log")
    if figure.y_range:
        y_scale = alt.Scale(type=figure.y_scale, domain=list(figure.y_range))
    y_axis = alt.Axis(format="%") if metric.percent else alt.Axis()
    if figure.y_scale == "log":
        y_axis = alt.Axis(labelExpr=f"format(datum.value, '{'~%' if metric.percent else '~g'}')", tickCount=6)
    logarithmic = figure.x_scale == "log"
    x_scale = alt.Scale(
        type=figure.x_scale,
        zero=alt.Undefined if logarithmic else False,
        nice=logarithmic,
        reverse=True if figure.x_reversed else alt.Undefined,
    )
    x_axis = alt.Axis(format="~%") if figure.x_percent else alt.Undefined
    if not figure.x_percent and all(float(point["x"]).is_integer() for point in [*ours, *printed]):
        x_axis = alt.Axis(tickMinStep=1)
    named = list(dict.fromkeys(point["series"] for point in [*ours, *printed]))
    return Channels(
        x=alt.X("x:Q", title=figure.x_title or x_name, scale=x_scale, axis=x_axis),
        y=alt.Y("value:Q", title=metric.title, scale=y_scale, axis=y_axis),
        low=alt.Y("low:Q", title=metric.title, scale=y_scale, axis=y_axis),
        colour=colour_of(named),
        dash=alt.StrokeDash(
            "source:N",
            title=None,
            scale=alt.Scale(domain=[OURS, PRINTED], range=[[1, 0], [5, 4]]),
            legend=alt.Legend() if printed else None,
        ),
        pick=alt.selection_point(fields=["series"], bind="legend", name="pick"),
    )


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
        "svg": vl_convert.vegalite_to_svg(chart).encode(),
        "png": vl_convert.vegalite_to_png(chart, scale=2),
        "pdf": vl_convert.vegalite_to_pdf(chart),
    }
    paths = {}
    for kind, content in made.items():
        paths[kind] = folder / f"{name}.{kind}"
        write_bytes(paths[kind], content)
    return paths
