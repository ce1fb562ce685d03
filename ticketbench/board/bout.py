"""Bouts: comparisons with one other side that are shown together, each with its numbers, seeds and costs.

A question of the suite is one; so is, on a board without questions, each setting beside a row that others are compared
with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ticketbench.render.numbers import amount, duration
from ticketbench.render.sentences import Spoken
from ticketbench.results.stats import Interval

TIMES = (0.95, 1.05)
"""Between these two costs are called the same."""


@dataclass(frozen=True)
class WorkSpent:
    """What a side took on the average: seconds to draw and to train, and operations of both; None where unknown."""

    draw: float | None = None
    train: float | None = None
    flops: float | None = None

    @property
    def seconds(self) -> float | None:
        """To draw and to train."""
        known = [one for one in (self.draw, self.train) if one is not None]
        return sum(known) if known else None

    @classmethod
    def of(cls, costs: Mapping[str, float]) -> WorkSpent:
        """Out of the means of a line's columns."""
        known = [costs[name] for name in ("draw_flops", "train_flops") if name in costs]
        return cls(costs.get("draw_seconds"), costs.get("train_seconds"), sum(known) if known else None)


@dataclass(frozen=True)
class Party:
    """One of two that are compared: its number, what it took, and what went wrong."""

    name: str
    level: float | None = None
    score: str = ""
    """The number with its unit."""
    spent: WorkSpent = WorkSpent()
    troubles: str = ""
    """Seeds that diverged or collapsed."""


@dataclass(frozen=True)
class Entrant:
    """One comparison of a bout."""

    said: Spoken
    mine: Party
    theirs: Party
    interval: Interval | None
    """Of the difference, in the metric's own units; None where there is nothing to compare."""
    difference: str
    p: float | None
    """Corrected."""
    seeds: int
    note: str = ""
    needed: str = ""
    """What it would take to decide it."""

    @property
    def sure(self) -> str:
        """How sure it is, in words."""
        if not self.seeds:
            return "no seeds"
        return f"{self.seeds} seed{'s' * (self.seeds != 1)}"


@dataclass(frozen=True)
class Bout:
    """Comparisons that belong together."""

    text: str
    """The question, or where they stand."""
    than: str
    """The other side's name; empty where there is none."""
    stated: bool
    """Whether a question of the suite states them; else they are exploratory."""
    margin: float
    higher: bool
    entrants: tuple[Entrant, ...]
    percent: bool = False

    @property
    def decided(self) -> int:
        """How many comparisons are decided."""
        return sum(one.said.mark != "cannot tell" for one in self.entrants)


def cost_words(mine: WorkSpent, theirs: WorkSpent, than: str) -> str:
    """What a side takes, and beside the other side: "0.2 × the work of dense; draw 4 s, train 12 s (dense 60 s)"."""
    other = than if len(than) <= LONGEST_AGAIN else "the other"
    parts = []
    if mine.flops and theirs.flops and than:
        parts.append(times_words(mine.flops / theirs.flops, other))
    elif mine.flops:
        parts.append(amount(mine.flops, "FLOPs"))
    steps = (("draw", mine.draw), ("train", mine.train))
    shown = [
        f"{name} {brief_time(part)}" for name, part in steps if part and part >= SMALL_SHARE * (mine.seconds or 0.0)
    ]
    if shown:
        beside = f" ({other} {brief_time(theirs.seconds)})" if theirs.seconds and than else ""
        parts.append(", ".join(shown) + beside)
    return "; ".join(parts) or "cost not measured"


SMALL_SHARE = 0.005
"""The share of all seconds below which a part is left out."""
LONGEST_AGAIN = 18
"""Letters of a name that is said again beside its costs."""


def times_words(ratio: float, than: str) -> str:
    """A ratio of two costs."""
    of = than if than.startswith("with ") else f"of {than}"
    if TIMES[0] <= ratio <= TIMES[1]:
        return f"the same work as {than}" if of != than else f"the same work {than}"
    return f"{ratio:.2g} × the work {of}" if ratio < 100 else f"{ratio:,.0f} × the work {of}"


def brief_time(seconds: float) -> str:
    """A time, also a small part of a second."""
    return duration(seconds) if seconds >= 0.095 else f"{1000 * seconds:.2g} ms"


def spread(entrants: Sequence[Entrant], margin: float) -> float:
    """How far to each side of zero a bar goes: what most differences and the margin need; a few may lie farther out."""
    ends = [max(map(abs, drawn_ends(one.interval))) for one in entrants if one.interval]
    usual = 2 * median(ends) if ends else 0.0
    return 1.08 * max(min(usual, max(ends, default=0.0)), 1.5 * margin, 1e-12)


def drawn_ends(interval: Interval) -> tuple[float, float]:
    """An interval's ends; the mean where it has none."""
    known = math.isfinite(interval.low) and math.isfinite(interval.high)
    return (interval.low, interval.high) if known else (interval.mean, interval.mean)
