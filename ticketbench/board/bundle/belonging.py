"""Which of a submission's cells its suite's tier has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ticketbench.plan.cell import Cell, describe
from ticketbench.results.results import AXES, identity
from ticketbench.suite.suite import Suite

PLANNED, ADDED, FOREIGN = "planned", "added", "foreign"
"""planned: a cell of the tier. added: a row of a plugin at a point of the tier. foreign: neither, never ranked."""


def belonging_of(cells: Iterable[Mapping[str, Any]], plan: Iterable[Cell], suite: Suite) -> dict[str, str]:
    """Key -> whether the suite's tier, as planned today, has the cell."""
    axes = [{"scorer": "", **describe(cell)} for cell in plan]
    known = {identity(one) for one in axes}
    points = {tuple(one[name] for name in (*AXES, "density", "seed")) for one in axes}

    def standing(row: Mapping[str, Any]) -> str:
        if identity(row) in known:
            return PLANNED
        new = row["row"] not in suite.methods and tuple(row[name] for name in (*AXES, "density", "seed")) in points
        return ADDED if new else FOREIGN

    return {row["key"]: standing(row) for row in cells}
