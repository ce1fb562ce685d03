"""Charts of maps: solutions as points to one scale, arrows from starts to ends, names beside the points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ticketbench.render.style import colour_of, finished
from ticketbench.report.maps import SolutionMap, Spot, times
from ticketbench.suite.paper import Figure

WIDTH, HIGHEST, LOWEST = 640, 480, 200
ASIDE, ABOVE = 90, 40
"""Room for names at the sides, and above and below."""
LETTER, LINE, GAP, RADIUS, CLOSE = 6.5, 15.0, 8.0, 5.4, 50.0
"""Pixels of a letter, of a line of text, between a point and its name, of a point's radius, and of one flock."""


def map_chart(figure: Figure, drawn: SolutionMap | None) -> dict[str, Any] | None:
    """A hollow point for each start, a filled one for each end, an arrow from one to the other, all to one scale."""
    if drawn is None:
        return None
    frame = framed(drawn.places)
    scales = [alt.Scale(domain=side, nice=False, zero=False) for side in (frame.x, frame.y)]
    axes = [alt.Axis(values=ticks(side, frame.x)) for side in (frame.x, frame.y)]
    x = alt.X("x:Q", title=figure.x_title or "L2 distance", scale=scales[0], axis=axes[0])
    y = alt.Y("y:Q", title=None, scale=scales[1], axis=axes[1])
    names = list(dict.fromkeys(place.kind for place in drawn.places))
    pick = alt.selection_point(fields=["series"], bind="legend", name="pick")
    clear = alt.condition(pick, alt.value(1.0), alt.value(0.12))

    def layer(data: Sequence[Mapping[str, Any]]) -> alt.Chart:
        return alt.Chart(alt.InlineData(values=list(data))).encode(x=x, y=y, color=colour_of(names), opacity=clear)

    points = [
        {"series": place.kind, "name": place.name, "filled": place.moment != "start", "x": place.x, "y": place.y}
        for place in drawn.places
    ]
    arrows = arrows_of(drawn.places, RADIUS / frame.pixels)
    tips = [alt.Tooltip("name:N"), alt.Tooltip("x:Q", format=".4g"), alt.Tooltip("y:Q", format=".4g")]
    dots = [
        layer([point for point in points if point["filled"] == filled])
        .mark_point(size=90, filled=filled, strokeWidth=2.2)
        .encode(tooltip=tips)
        for filled in (False, True)
    ]
    lines = layer(arrows).mark_rule(strokeWidth=1.8).encode(x2="x2:Q", y2="y2:Q")
    heads = [{**arrow, "x": (arrow["x"] + arrow["x2"]) / 2, "y": (arrow["y"] + arrow["y2"]) / 2} for arrow in arrows]
    tops = layer(heads).mark_point(shape="triangle", size=90, filled=True)
    tops = tops.encode(angle=alt.Angle("angle:Q", scale=None))
    words = layer(labels_of(drawn.places, frame)).mark_text(fontSize=12).encode(text="name:N")
    chart = alt.layer(lines, tops, *dots, words).properties(width=WIDTH, height=frame.height, title=figure.title)
    plain = finished(chart.add_params(pick), names, WIDTH)
    plain["usermeta"]["to_scale"] = True
    return plain


def arrows_of(places: Sequence[Spot], radius: float) -> list[dict[str, Any]]:
    """From the rim of each solution's start to its end, with the angle of the head, clockwise from upright.

    A start whose rim reaches its end has no arrow.
    """
    ends = {place.solution: place for place in places if place.moment == "end"}
    arrows = []
    for start in places:
        end = ends.get(start.solution)
        if start.moment != "start" or end is None or apart(start, end) <= 2 * radius:
            continue
        across, up = end.x - start.x, end.y - start.y
        part = radius / math.hypot(across, up)
        arrow = {"x": start.x + part * across, "y": start.y + part * up, "x2": end.x, "y2": end.y}
        arrows.append({"series": start.kind, **arrow, "angle": math.degrees(math.atan2(across, up))})
    return arrows


def ticks(side: Sequence[float], widest: Sequence[float]) -> list[float]:
    """Round numbers along a side: 1, 2 or 5 times a power of ten apart, at most eleven of them along the widest one."""
    rough = (widest[1] - widest[0]) / 10
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(times for times in (1, 2, 5, 10) if times * power >= rough)
    first, last = math.ceil(side[0] / step), math.floor(side[1] / step)
    return [float(f"{at * step:.12g}") for at in range(first, last + 1)]


@dataclass(frozen=True)
class Frame:
    """The part of the plane that is drawn."""

    x: list[float]
    y: list[float]
    height: int
    pixels: float
    """Of one unit of distance, to the right and upwards alike."""


def framed(places: Sequence[Spot]) -> Frame:
    """All points with room for their labels, as large as it may be."""
    sides = [(min(values), max(values)) for values in ([p.x for p in places], [p.y for p in places])]
    (left, right), (low, high) = sides
    room = ((WIDTH - 2 * ASIDE, right - left), (HIGHEST - 2 * ABOVE, high - low))
    pixels = min((size / span for size, span in room if span > 0), default=1.0)
    height = max(LOWEST, round((high - low) * pixels) + 2 * ABOVE)
    across, up = WIDTH / 2 / pixels, height / 2 / pixels
    middle, centre = (left + right) / 2, (low + high) / 2
    return Frame([middle - across, middle + across], [centre - up, centre + up], height, pixels)


Box = tuple[float, float, float, float]
"""Left, low, right, high, in pixels."""


def labels_of(places: Sequence[Spot], frame: Frame) -> list[dict[str, Any]]:
    """Each name beside its point, on the side where it covers the least of points, arrows and other names.

    Points of one kind that lie close together have one name, with how many they are.
    """
    taken: list[Box] = [box(place.x * frame.pixels, place.y * frame.pixels, GAP, GAP) for place in places]
    for arrow in arrows_of(places, RADIUS / frame.pixels):
        for part in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
            x, y = (arrow[to] * part + arrow[start] * (1 - part) for start, to in (("x", "x2"), ("y", "y2")))
            taken.append(box(x * frame.pixels, y * frame.pixels, GAP / 2, GAP / 2))
    found = []
    for place, name in named_spots(places, CLOSE / frame.pixels):
        wide, far = len(name) * LETTER, len(name) * LETTER / 2 + GAP
        sides = [(far, 0), (-far, 0), (0, LINE), (0, -LINE), (far, LINE), (-far, LINE), (far, -LINE), (-far, -LINE)]
        spots = [box(place.x * frame.pixels + x, place.y * frame.pixels + y, wide, LINE) for x, y in sides]
        best = min(spots, key=lambda spot: math.fsum(shared(spot, other) for other in taken))
        taken.append(best)
        x, y = ((best[at] + best[at + 2]) / 2 / frame.pixels for at in (0, 1))
        found.append({"series": place.kind, "name": name, "x": x, "y": y})
    return found


def named_spots(places: Sequence[Spot], close: float) -> list[tuple[Spot, str]]:
    """The points that have names, with what they are called."""
    flocks: list[list[Spot]] = []
    for place in places:
        near = (one for one in flocks if one[0].group == place.group and apart(one[0], place) <= close)
        flock = next(near, None)
        if flock is None:
            flocks.append([place])
        else:
            flock.append(place)
    return [(one[0], one[0].name if len(one) == 1 else times(one[0].group, len(one))) for one in flocks]


def apart(one: Spot, other: Spot) -> float:
    """The distance of two points on the map."""
    return math.dist((one.x, one.y), (other.x, other.y))


def box(x: float, y: float, wide: float, high: float) -> Box:
    """A box of a width and a height around a point: its left, lower, right and upper edges."""
    return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def shared(one: Box, other: Box) -> float:
    """The area of what two boxes share."""
    across, up = (max(0.0, min(one[at + 2], other[at + 2]) - max(one[at], other[at])) for at in (0, 1))
    return across * up
