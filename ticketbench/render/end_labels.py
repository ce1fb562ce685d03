"""Names at the ends of lines, in place of a legend: where each stands so that none covers another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ticketbench.render.style import Datum

GAP = 15
"""Pixels from one name to the next, with letters of `LETTERS`."""
LETTERS, LETTER = 12, 6.4
"""The height of letters, and how broad one is on the average, in pixels."""
LEAD, LONGEST = 16, 34
"""Pixels from the end of the axis to a name; letters of a name that are shown."""
LEADS, NAMES = "leads", "names"
"""The layers that are added; a page that is too narrow for them leaves them out and shows a legend."""


@dataclass(frozen=True)
class Upright:
    """The vertical axis of a chart: from where to where it goes, over so many pixels."""

    low: float
    high: float
    height: int
    logarithmic: bool = False

    def pixel(self, value: float) -> float:
        """How far below the top a value stands."""
        low, high, here = (math.log(part) if self.logarithmic else part for part in (self.low, self.high, value))
        return self.height * (high - here) / (high - low)

    def value(self, pixel: float) -> float:
        """The value that stands so far below the top."""
        low, high = (math.log(part) if self.logarithmic else part for part in (self.low, self.high))
        found = high - pixel / self.height * (high - low)
        return math.exp(found) if self.logarithmic else found


def upright(values: Iterable[float], height: int, logarithmic: bool = False, share: bool = False) -> Upright:
    """An axis that holds all values, with a twentieth to spare at each end; that of a share ends at 0 and at 1."""
    found = [math.log(value) if logarithmic else value for value in values]
    low, high = min(found), max(found)
    room = (high - low) / 20 or abs(high) / 20 or 0.5
    ends = (low - room, high + room)
    if share and low >= 0 and high <= 1:
        ends = (max(ends[0], 0.0), min(ends[1], 1.0))
    least, most = (math.exp(end) for end in ends) if logarithmic else ends
    return Upright(least, most, height, logarithmic)


def nudged(wanted: Sequence[float], height: float, gap: float = GAP) -> list[float]:
    """Places as near to the wanted ones as can be, in their order, a gap apart and within the height.

    Names that would touch form a block around the middle of where its names want to be; blocks that would touch
    become one. A smaller gap is taken where the height does not hold so many.
    """
    gap = min(gap, height / max(1, len(wanted) - 1))
    blocks: list[list[int]] = []
    for at in sorted(range(len(wanted)), key=lambda at: (wanted[at], at)):
        blocks.append([at])
        while len(blocks) > 1 and top_of_block(blocks[-1], wanted, height, gap) < (
            top_of_block(blocks[-2], wanted, height, gap) + gap * len(blocks[-2]) - 1e-9
        ):
            last = blocks.pop()
            blocks[-1] += last
    places = [0.0] * len(wanted)
    for block in blocks:
        first = top_of_block(block, wanted, height, gap)
        for below, at in enumerate(block):
            places[at] = first + gap * below
    return places


def top_of_block(block: Sequence[int], wanted: Sequence[float], height: float, gap: float) -> float:
    """Where the first name of a block stands: its names as near as can be to where they want to be."""
    reach = gap * (len(block) - 1)
    middle = sum(wanted[at] for at in block) / len(block)
    return min(max(middle - reach / 2, 0.0), max(height - reach, 0.0))


def named_ends(chart: dict[str, Any], ends: Mapping[str, tuple[float, float]], axis: Upright) -> dict[str, Any]:
    """A chart of lines with a name at each end (x, value), and the pixels that names take in `usermeta`.

    The last layer is that of the lines: names take its axes and colours, and lie below all others.
    """
    lines = chart["layer"][-1]["encoding"]
    places = nudged([axis.pixel(value) for _, value in ends.values()], axis.height)
    data: list[Datum] = [
        {"series": name, "name": brief(name), "end": x, "value": value, "at": axis.value(place)}
        for (name, (x, value)), place in zip(ends.items(), places, strict=True)
    ]
    for layer in chart["layer"]:
        if "field" in layer["encoding"].get("color", {}):
            layer["encoding"]["color"]["legend"] = None
    clear = lines.get("opacity", {"value": 1})
    x, y, colour = lines["x"], lines["y"], lines["color"]
    edge = {"value": {"expr": f"width + {LEAD - 4}"}}
    lead = {"x": {**x, "field": "end"}, "x2": edge, "y": y, "y2": {"field": "at"}, "color": colour, "opacity": clear}
    name = {"x": {"value": "width"}, "y": {**y, "field": "at"}, "text": {"field": "name"}, "opacity": clear}
    name["tooltip"] = {"field": "series"}  # the whole name; and only what has a tip can be clicked
    text = {"type": "text", "align": "left", "baseline": "middle", "dx": LEAD, "fontSize": LETTERS}
    values = {"values": data}
    chart["layer"][:0] = deepcopy(
        [
            {"name": LEADS, "data": values, "mark": {"type": "rule", "strokeDash": [2, 3]}, "encoding": lead},
            {"name": NAMES, "data": values, "mark": text, "encoding": name},
        ]
    )
    chart["usermeta"]["names"] = round(LEAD + LETTER * max(len(one["name"]) for one in data)) + 4
    return chart


def brief(name: str) -> str:
    """A name, cut in its middle where it is long."""
    half = (LONGEST - 1) // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"
