"""What is read off a judged sweep: the headline, the budget it stands at, and what it would be elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.errors import TicketError
from ticketbench.suite.suite import Headline


@dataclass(frozen=True)
class Reading:
    """A metric of one network over a sweep of the test split, read at one budget."""

    value: float
    x: float | None = None
    """The budget of the value; None without a sweep."""
    best: float | None = None
    """The best over the sweep; None without one, or where nothing is finite."""
    last: float | None = None

    def overthinking(self, higher_is_better: bool) -> float | None:
        """How much worse the last value is than the best."""
        if self.best is None or self.last is None or not math.isfinite(self.last):
            return None
        return self.best - self.last if higher_is_better else self.last - self.best


def read_off(
    headline: Headline, sweep: Sequence[int], tested: Sequence[float], validated: Sequence[float] = ()
) -> Reading:
    """A metric's values on the test split, one a budget, as a headline reads them.

    `validated` are the values on the choosing split: with `at = "validated"` nothing but these says which budget it is.
    """
    if not sweep:
        return Reading(tested[-1])
    place, top = chosen_place(headline, sweep, tested, validated), first_best(tested, headline.higher_is_better)
    return Reading(tested[place], float(sweep[place]), None if top is None else tested[top], tested[-1])


def chosen_place(headline: Headline, sweep: Sequence[int], tested: Sequence[float], validated: Sequence[float]) -> int:
    """Which point of a sweep a headline is read at; the last where nothing to choose by is finite."""
    if isinstance(headline.at, int):
        if headline.at not in sweep:
            raise TicketError(f"the headline asks for {headline.at}, which the sweep does not judge at")
        return sweep.index(headline.at)
    chosen_by = {"last": (), "best": tested, "validated": validated}[headline.at]
    if headline.chooses and len(validated) != len(sweep):
        raise TicketError("the headline is read where validation is best, but the sweep was not judged there")
    found = first_best(chosen_by, headline.higher_is_better)
    return len(sweep) - 1 if found is None else found


def first_best(values: Sequence[float], higher_is_better: bool) -> int | None:
    """The place of the best value, of equals the first; what is not finite is never the best. None where none is."""
    sound = [(value if higher_is_better else -value, -at) for at, value in enumerate(values) if math.isfinite(value)]
    return -max(sound)[1] if sound else None
