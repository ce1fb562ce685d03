"""Costs: the columns that boards show beside the results, as the schema of records has them."""

from __future__ import annotations

from typing import NamedTuple

from ticketbench.store.column import Unit, columns_of
from ticketbench.store.schema import CellRecord

ORDER: tuple[Unit, ...] = ("seconds", "steps", "FLOPs", "joules", "bytes", "parameters", "share")
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
        (one for one in columns_of(CellRecord) if one.about.cost), key=lambda one: ORDER.index(one.about.unit)
    )
    if one.about.cost
)
"""In the order in which boards show them."""
