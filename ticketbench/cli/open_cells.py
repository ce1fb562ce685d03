"""The cells of some comparisons alone: those that get more seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ticketbench.plan.plan import Plan
    from ticketbench.results.judgement import Compared


def open_cells(plan: Plan, compared: Sequence[Compared]) -> Plan:
    """A plan with the cells of some comparisons alone, either side."""
    from ticketbench.plan.cell import describe
    from ticketbench.results.choice import AXES

    sides = {side for one in compared for side in (one.gathered.setting, one.gathered.than) if side}
    kept = []
    for cell in plan.cells:
        record = describe(cell)
        axes = ((axis, str(getattr(record, axis))) for axis in AXES)
        if (("row", record.row), *axes, ("density", record.density)) in sides:
            kept.append(cell)
    return replace(plan, cells=tuple(kept))
