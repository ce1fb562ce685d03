"""Which of a submission's cells its suite's tier has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ticketbench.plan.cell import Cell, describe
from ticketbench.results.choice import AXES, identity
from ticketbench.store.schema import CellRecord
from ticketbench.suite.suite import Suite

PLANNED, ADDED, FOREIGN = "planned", "added", "foreign"
"""planned: a cell of the tier. added: a row of a plugin at a point of the tier. foreign: neither, never ranked."""


def belonging_of(cells: Iterable[CellRecord], plan: Iterable[Cell], suite: Suite) -> dict[str, str]:
    """Key -> whether the suite's tier, as planned today, has the cell."""
    axes = [describe(cell) for cell in plan]
    known = {identity(one) for one in axes}
    points = {point_of(one) for one in axes}

    def standing(cell: CellRecord) -> str:
        if identity(cell) in known:
            return PLANNED
        return ADDED if cell.row not in suite.methods and point_of(cell) in points else FOREIGN

    return {cell.key: standing(cell) for cell in cells}


def point_of(cell: CellRecord) -> tuple[Any, ...]:
    """What cells of different rows share that answer for the same point of the tier."""
    return tuple(getattr(cell, name) for name in (*AXES, "density", "seed"))
