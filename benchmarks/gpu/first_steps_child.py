"""The process that `first_steps` starts: two fleets of one kind up to their first step, and a line about them."""

from __future__ import annotations

import sys
import time

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import say
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.stretch import timed
from benchmarks.gpu.workloads import fleet_named
from ticketbench.plugin.loading import load_plugins

PATIENCE = 600.0
"""Seconds; whoever started this process has less."""


def main(name: str, started: float, how: str) -> None:
    """Say how long the first step took since the process was started, and since its fleet was made, twice."""
    machine = Machine(rehearsal=how == "rehearse")
    machine.prepare()
    tier, cells = fleet_named(name, machine, load_plugins())
    headline = tier.headline(cells[0])

    def once() -> float | None:
        return timed(machine, cells, tier.resolver, headline, 0.0, Allowance.of(PATIENCE), first_only=True).first

    begun = time.time()
    cold = once()
    process = None if cold is None else begun - started + cold
    say({"members": len(cells), "process": process, "cold": cold, "warm": once()})


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
