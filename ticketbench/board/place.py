"""Places of a board, and the standings of complete lines at them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ticketbench.board.lines import Line, Subject
from ticketbench.results.standard import Comparison, RankRange
from ticketbench.results.stats import Interval


@dataclass
class Standing:
    """A complete line at its place, with its mean, its ranks, and how it compares with others."""

    line: Line
    interval: Interval
    values: tuple[float, ...]
    """A seed each, in the place's order of seeds."""
    ranks: RankRange
    against: dict[str, Comparison] = field(default_factory=dict)
    """Row that it is compared with -> what came of it."""
    stated: set[str] = field(default_factory=set)
    """The rows of those comparisons that a question or a claim states; the others are exploratory."""


@dataclass
class Place:
    """The lines of one setting at one density. A row that is never pruned stands at every density."""

    setting: Subject
    density: float
    metric: str
    seeds: tuple[int, ...]
    standings: list[Standing]
    incomplete: list[Line]
    """Lines that lack a seed or its number: shown, never ranked, never averaged."""
