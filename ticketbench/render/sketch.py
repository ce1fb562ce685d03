"""Sketches: small pictures as SVG that stands in the page: a few lines, or differences around zero.

Letters and axes take the page's colours, so that one picture serves a light and a dark ground; names stand at the ends
of lines, and marks are signs, so that nobody has to tell colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from ticketbench.render.end_labels import brief, nudged
from ticketbench.render.style import COLOURS
from ticketbench.results.standard import Mark

SIGNS: dict[Mark, str] = {"better": "▲", "worse": "▼", "as good": "≈", "cannot tell": "○"}
"""What stands before a mark's word."""
WIDTH, HEIGHT = 460, 230
LEFT, TOP, FOOT = 44, 14, 40
SKETCH_LETTER = 7.2
"""Pixels of a letter on the average."""
HEAD, ROW = 22, 26
"""Pixels above the first difference, and from one to the next."""


@dataclass(frozen=True)
class SketchLine:
    """A line: its name, and a value for each place along the axis, or None."""

    name: str
    values: tuple[float | None, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Difference:
    """A difference with its interval, all in one unit."""

    name: str
    mark: Mark
    mean: float
    low: float
    high: float


def round_ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range, some three to five."""
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 2))
    step = next(step * many for many in (1, 2, 5, 10) if span / (step * many) <= 4.5)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def words_at(x: float, y: float, words: str, *, faint: bool = False, anchor: str = "") -> str:
    """A line of text."""
    look = ' class="faint"' if faint else ""
    look += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{look} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def dot_at(x: float, y: float, radius: float, look: str) -> str:
    """A point."""
    return f'<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'


def drawn_curves(title: str, places: Sequence[str], curves: Sequence[SketchLine], unit: str) -> str:
    """Lines over places such as densities, with a name at the end of each."""
    known = [value for one in curves for value in one.values if value is not None]
    low, high = min(known), max(known)
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    low, high = low - room, high + room
    edge = WIDTH - 14 - SKETCH_LETTER * max(len(brief(one.name)) for one in curves)
    wide, deep = edge - LEFT, HEIGHT - TOP - FOOT
    step = wide / max(1, len(places) - 1)

    def y(value: float) -> float:
        return TOP + deep * (high - value) / (high - low)

    parts = [words_at(LEFT, HEIGHT - 4, title, faint=True)]
    for tick in round_ticks(low, high):
        parts.append(f'<path class="grid" d="M{LEFT},{y(tick):.1f}h{wide:.1f}"/>')
        parts.append(words_at(LEFT - 6, y(tick) + 4, f"{tick:g}{unit}", faint=True, anchor="end"))
    for at, place in enumerate(places):
        parts.append(words_at(LEFT + at * step, HEIGHT - FOOT + 18, place, faint=True, anchor="middle"))
    ends = [next(value for value in reversed(one.values) if value is not None) for one in curves]
    spots = nudged([y(end) for end in ends], HEIGHT - FOOT, 15)
    for at, (one, spot) in enumerate(zip(curves, spots, strict=True)):
        points = [(LEFT + x * step, y(value)) for x, value in enumerate(one.values) if value is not None]
        colour = "currentColor" if one.dashed else COLOURS[at % len(COLOURS)]
        parts += curve_parts(one, points, colour, (edge, spot))
    return sketch_frame(f"{title}: {', '.join(one.name for one in curves)}", HEIGHT, parts)


def curve_parts(
    one: SketchLine, points: Sequence[tuple[float, float]], colour: str, name: tuple[float, float]
) -> Iterator[str]:
    """A line with its points, and its name beside its end."""
    dash = ' stroke-dasharray="6 4"' if one.dashed else ""
    line = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<path fill="none" stroke="{colour}" stroke-width="2.2"{dash} d="M{line}"/>'
    yield from (dot_at(x, y, 2.8, f'fill="{colour}"') for x, y in points)
    x, y = points[-1]
    yield f'<path stroke="{colour}" d="M{x:.1f},{y:.1f}L{name[0] + 8:.1f},{name[1]:.1f}"/>'
    yield words_at(name[0] + 11, name[1] + 4, brief(one.name))


def drawn_differences(title: str, than: str, rows: Sequence[Difference], margin: float) -> str:
    """Differences with their intervals around zero, which is the other side; the band does not matter."""
    ends = [abs(end) for one in rows for end in (one.low, one.high, one.mean)]
    reach = 1.08 * max([*ends, 1.5 * margin, 1e-12])
    left = 26 + SKETCH_LETTER * max(len(brief(one.name)) for one in rows)
    half = (WIDTH - left - 12) / 2
    middle, deep = left + half, ROW * len(rows)
    parts = [difference_parts(rows[at], middle, half / reach, HEAD + ROW * (at + 0.5), 4) for at in range(len(rows))]
    names = [
        words_at(0, HEAD + ROW * (at + 0.5) + 4, f"{SIGNS[one.mark]} {brief(one.name)}") for at, one in enumerate(rows)
    ]
    under = [
        words_at(middle + half * tick / reach, deep + 38, signed(tick), faint=True, anchor="middle")
        for tick in round_ticks(-reach, reach)
    ]
    said = f"{title}: {', '.join(f'{one.name} {one.mark}' for one in rows)}"
    top = words_at(middle, 14, brief(than), faint=True, anchor="middle")
    back = ground(middle, half * margin / reach, HEAD, deep)
    return sketch_frame(said, deep + 64, [back, top, *parts, *names, *under, words_at(0, deep + 58, title, faint=True)])


def ground(middle: float, half: float, top: float, deep: float) -> str:
    """The line of no difference, and the band around it that does not matter."""
    band = f'<rect class="band" x="{middle - half:.1f}" y="{top:g}" width="{2 * half:.1f}" height="{deep:g}"/>'
    return f'{band if half else ""}<path class="zero" d="M{middle:.1f},{top:g}v{deep:g}"/>'


def difference_parts(one: Difference, middle: float, scale: float, y: float, radius: float) -> str:
    """A difference with its interval."""
    low, mean, high = (middle + scale * value for value in (one.low, one.mean, one.high))
    kind = one.mark.split()[0]
    line = f'<path class="{kind}" stroke-width="2" d="M{low:.1f},{y:.1f}H{high:.1f}"/>'
    return line + dot_at(mean, y, radius, f'class="{kind} dot"')


def drawn_bar(one: Difference, reach: float, margin: float) -> str:
    """One difference with its interval as a small bar around zero; what lies farther out stands at its end."""
    scale = 58 / reach
    back = ground(60, scale * min(margin, reach), 1, 14)
    ends = {name: max(-reach, min(reach, getattr(one, name))) for name in ("low", "mean", "high")}
    held = replace(one, **ends)
    drawn = f"{back}{difference_parts(held, 60, scale, 8, 3)}"
    return f'<svg class="bar" viewBox="0 0 120 16" aria-hidden="true">{drawn}</svg>'


def signed(value: float) -> str:
    """A number with its sign."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def sketch_frame(words: str, height: float, parts: Sequence[str]) -> str:
    """A picture of some parts, with words for those who cannot see it."""
    return (
        f'<svg class="sketch" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(words)}">'
        f"{''.join(parts)}</svg>"
    )


def standing_alone(sketch: str) -> str:
    """A sketch as a file of its own, which a code host shows as a picture, on a light ground and on a dark one."""
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" class="sketch"'
    begun = sketch.replace('<svg class="sketch"', opening, 1)
    return begun.replace(">", f"><style>{STYLE}</style>", 1) + "\n"


STYLE = (
    "svg{color:#1b1f24;font:12.5px system-ui,sans-serif}text{fill:currentColor}.faint{fill:#6b7480;font-size:11.5px}"
    ".grid,.zero{stroke:#8b949e;fill:none}.grid{opacity:.4}.band{fill:#8b949e;opacity:.25}"
    ".better{stroke:#1a7f37}.worse{stroke:#c22f2f}.as,.cannot{stroke:currentColor}"
    ".better.dot{fill:#1a7f37}.worse.dot{fill:#c22f2f}.as.dot{fill:currentColor}.cannot.dot{fill:none}"
    "@media(prefers-color-scheme:dark){svg{color:#e7eaee}.faint{fill:#9aa4b0}"
    ".better{stroke:#4cc26b}.worse{stroke:#ff7b72}.better.dot{fill:#4cc26b}.worse.dot{fill:#ff7b72}}"
)
"""What pages say of sketches in style.css, for those that stand alone."""
