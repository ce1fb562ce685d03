"""Fleets by name, for processes that are told by their arguments what to do."""

from __future__ import annotations

from benchmarks.gpu.large import DTNET, GRU, cells_of
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.stand_ins import EXAMPLES, StandInResolver
from benchmarks.gpu.suites import Tier, tier_of, with_recipe
from ticketbench.plan.cell import Cell
from ticketbench.plugin.loading import Plugins

NETWORKS = {"dtnet": DTNET, "gru": GRU}


def fleet_named(name: str, machine: Machine, plugins: Plugins, precision: str = "tf32") -> tuple[Tier, list[Cell]]:
    """The fleet of a name such as "init 44" or "gru 35": of a network, or the first of a suite that has so many cells.

    Two members in a rehearsal. Losses are noted every 100 steps of a suite's fleet, and as often as `large` says.
    """
    what, _, members = name.partition(" ")
    count = 2 if machine.rehearsal else int(members)
    if what in NETWORKS:
        return cells_of(NETWORKS[what], machine, plugins, precision, count)
    tier = tier_of(what, "paper", plugins, StandInResolver(plugins, 600 if machine.rehearsal else EXAMPLES), precision)
    fleet = next(fleet for fleet in tier.fleets() if len(fleet.cells) >= count)
    return tier, with_recipe(fleet.cells[:count], log_every=5 if machine.rehearsal else 100)
