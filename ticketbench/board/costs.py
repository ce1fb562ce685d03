"""Costs: the columns that boards show beside the results, as the schema of records has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from ticketbench.store.column import Unit, columns_of
from ticketbench.store.schema import CellRecord

COST_ORDER: tuple[Unit, ...] = ("seconds", "steps", "FLOPs", "joules", "bytes", "parameters", "share", "x", "metric")
"""Costs of one unit stand together: what was spent first, what is left after it."""


class BoardCost(NamedTuple):
    """A cost as a board shows it."""

    name: str
    """The column's."""
    heading: str
    meaning: str
    tabled: bool
    """Whether tables have it, or only the dialog of one entry."""


COSTS: tuple[BoardCost, ...] = tuple(
    BoardCost(one.name, one.about.cost.heading, one.about.meaning, one.about.cost.shown == "tables")
    for one in sorted(
        (one for one in columns_of(CellRecord) if one.about.cost), key=lambda one: COST_ORDER.index(one.about.unit)
    )
    if one.about.cost
)
"""In the order in which boards show them."""


class CostsOfLine(Protocol):
    """Whatever knows its costs by the names of their columns, such as a line of a board."""

    @property
    def costs(self) -> Mapping[str, float]:
        """Column of the records -> the mean cost; a cost that nobody measured is missing."""


def tabled(lines: Iterable[CostsOfLine]) -> list[BoardCost]:
    """The costs that a table of these lines has columns for: those that any of them knows."""
    known = {name for line in lines for name in line.costs}
    return [cost for cost in COSTS if cost.tabled and cost.name in known]
