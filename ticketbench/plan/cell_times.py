"""How a plan's time is spread over its cells."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench.plan.cell_time import CellTime
from ticketbench.plan.cost import cost_of
from ticketbench.plan.estimate import fleet_parts, model_key, shares_of
from ticketbench.plan.measured import Measured
from ticketbench.plan.plan import Fleet
from ticketbench.plan.resolve import Resolver
from ticketbench.plan.speed import Speed


def cell_times(
    fleets: Sequence[Fleet], resolver: Resolver, speed: Speed, measured: Measured | None = None
) -> dict[str, CellTime]:
    """Key -> what is expected of the cell, as the plan's estimate has it of the cell's fleet."""
    found = {}
    for fleet in fleets:
        setting = fleet.cells[0].setting
        cost, shares = cost_of(setting, resolver), shares_of(fleet.cells, resolver)
        factor = (measured.factor(model_key(setting)) if measured else None) or 1.0
        training, beside = fleet_parts(cost, shares, setting.precision, speed, fleet.seats)
        efforts = sum(share.effort for share in shares) or 1.0
        for cell, share in zip(fleet.cells, shares, strict=True):
            steps = round(share.trainings * cost.steps)
            trained = factor * training.all * share.effort / efforts
            found[cell.key] = CellTime(steps, trained, factor * beside.all / len(shares))
    return found
