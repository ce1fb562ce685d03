"""The MLPs of gradflow and of lth, in the fleets that a run would make of them."""

from __future__ import annotations

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.stand_ins import EXAMPLES, StandInResolver
from benchmarks.gpu.stretch import timed
from benchmarks.gpu.suites import named, tier_of, with_recipe
from benchmarks.gpu.troubles import going_on
from ticketbench.plan.plan import Fleet
from ticketbench.plugin.loading import Plugins

COLUMNS = ("suite", "fleet", "members", "member-steps/s", "µs a step", "seconds to the first step", "engine")
MODEL, PROTOCOL, PRECISION = "mlp", "same", "tf32"
TARGET = 100_000.0
LEAST, MOST = 6.0, 4.0
"""Seconds for one fleet at least, its first step included, and to time it at most."""


def measure(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row a fleet, largest fleets first; per suite, what the measured fleets reach one after the other."""
    resolver = StandInResolver(plugins, 600 if machine.rehearsal else EXAMPLES)
    for number, suite in enumerate(("gradflow", "lth")):
        part = until.part(2 - number)
        tier = tier_of(suite, "paper", plugins, resolver, PRECISION)
        wanted = (MODEL, PROTOCOL)
        cells = [cell for cell in tier.plan.cells if (cell.setting.model.name, cell.setting.protocol.name) == wanted]
        fleets = sorted(tier.fleets(cells, machine.room(resolver)), key=members_of, reverse=True)
        if machine.rehearsal:
            fleets = fleets[:1]
        steps = seconds = 0.0
        for at, fleet in enumerate(fleets):
            mine = part.part(len(fleets) - at, LEAST)
            if part.over:
                section.left_out.append(f"{len(fleets) - at} of {len(fleets)} fleets of {suite}")
                break
            count = 2 if machine.rehearsal else members_of(fleet)
            chosen = with_recipe(fleet.cells[:count], log_every=5 if machine.rehearsal else 100)
            with going_on(machine, section, f"{suite}, {named(chosen)}"):
                time_it = min(MOST, mine.left() / 3)
                stretch = timed(machine, chosen, resolver, tier.headline(chosen[0]), time_it, mine, warm=10)
                found = (suite, named(chosen), count, stretch.rate, stretch.microseconds, stretch.first, stretch.how)
                section.add(**dict(zip(COLUMNS, found, strict=True)))
                if stretch.rate is not None:
                    steps += count
                    seconds += count / stretch.rate
        results.target(
            f"{suite} MLPs, member-steps/s over its fleets",
            "at least",
            TARGET,
            "member-steps/s",
            steps / seconds if seconds else None,
        )


def members_of(fleet: Fleet) -> int:
    """How many cells a fleet trains at once."""
    return min(fleet.seats or len(fleet.cells), len(fleet.cells))
