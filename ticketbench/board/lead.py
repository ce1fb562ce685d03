"""Lead: of a board's bouts the one that a stranger sees first, its winner, and the sides beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.board.bout import Bout, Entrant
from ticketbench.render.sentences import MARK_ORDER, sentences
from ticketbench.results.standard import Mark

MOST_BESIDE = 3
"""Sides that stand beside each other on the first screen."""


@dataclass(frozen=True)
class Lead:
    """What a board says first."""

    bout: Bout
    best: Entrant
    """The side with the best mark, and of those the best mean, at the sparsest density that has such a mark."""
    beside: tuple[Entrant, ...]
    """It and the next ones of the same context and density, the best first."""
    answer: str
    """The bout in words."""

    @property
    def mark(self) -> Mark:
        """Of the best side."""
        return self.best.said.mark

    @property
    def winner(self) -> str:
        """Who wins: the best side where it is better or as good, else what it was held against, or nobody."""
        if self.mark == "cannot tell":
            return "nobody yet"
        return self.bout.than if self.mark == "worse" else self.best.said.name


def lead_of(bouts: Sequence[Bout]) -> Lead | None:
    """The first bout with something decided, else the first; None without any comparison."""
    known = [one for one in bouts if any(entrant.interval for entrant in one.entrants)]
    if not known:
        return None
    bout = next((one for one in known if one.decided), known[0])
    best = best_of([one for one in bout.entrants if one.interval])
    mine = [
        one
        for one in bout.entrants
        if (one.said.context, one.said.density) == (best.said.context, best.said.density) and one.interval
    ]
    ordered = sorted(mine, key=lambda one: (MARK_ORDER.index(one.said.mark), -one.said.gain))
    answer = sentences([one.said for one in bout.entrants], bout.than, brief=True)
    return Lead(bout, best, tuple(ordered[:MOST_BESIDE]), answer)


def best_of(entrants: Sequence[Entrant]) -> Entrant:
    """Better at the sparsest density, else as good at the sparsest, else the best mean of what is left."""
    for mark in ("better", "as good"):
        found = [one for one in entrants if one.said.mark == mark]
        if found:
            first = found[0].said.context
            return min(
                (one for one in found if one.said.context == first),
                key=lambda one: (one.said.density or 1.0, -one.said.gain),
            )
    decided = [one for one in entrants if one.said.mark == "worse"] or list(entrants)
    return max(decided, key=lambda one: one.said.gain)
