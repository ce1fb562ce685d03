"""Fleets of the init suite's MLP by size, beside a step that is written by hand, in one process."""

from __future__ import annotations

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.floor import Floor
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.stand_ins import EXAMPLES, StandInResolver
from benchmarks.gpu.stretch import timed
from benchmarks.gpu.suites import tier_of, with_recipe
from benchmarks.gpu.troubles import going_on
from ticketbench.engine.precision import set_precision
from ticketbench.plugin.loading import Plugins

COLUMNS = (
    "members",
    "µs a step",
    "member-steps/s",
    "floor, µs a step",
    "of the floor's speed",
    "seconds to the first step",
    "engine",
)
FLEETS = (44, 88, 5, 22, 1)
"""Those with targets first."""
TARGETS = {44: 200.0, 88: 350.0}
PRECISION = "tf32"
FLOOR_SHARE = 0.25
"""Of a fleet's time, for the floor."""


def measure(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row a size."""
    examples = 600 if machine.rehearsal else EXAMPLES
    tier = tier_of("init", "paper", plugins, StandInResolver(plugins, examples), PRECISION)
    fleets = (2, 1) if machine.rehearsal else FLEETS
    cells = with_recipe(tier.plan.cells, log_every=5) if machine.rehearsal else list(tier.plan.cells)
    found: dict[int, float | None] = {}
    for number, fleet in enumerate(fleets):
        part = until.part(len(fleets) - number)
        if until.over:
            section.left_out += [f"{size} members" for size in fleets[number:]]
            break
        with going_on(machine, section, f"{fleet} members"):
            seconds = (1 - FLOOR_SHARE) * part.left() / 2
            stretch = timed(machine, cells[:fleet], tier.resolver, tier.headline(cells[0]), seconds, part, warm=10)
            found[fleet] = stretch.microseconds
            set_precision(PRECISION)
            floor = Floor(machine, fleet, 60, examples).microseconds(FLOOR_SHARE * part.left())
            section.add(
                **{
                    "members": fleet,
                    "µs a step": stretch.microseconds,
                    "member-steps/s": stretch.rate,
                    "floor, µs a step": floor,
                    "of the floor's speed": floor / stretch.microseconds if stretch.microseconds else None,
                    "seconds to the first step": stretch.first,
                    "engine": stretch.how,
                }
            )
    section.notes.append("MLP 784-300-100-10, batch 60, Adam, all weights; TF32 where the device has it")
    for fleet, limit in TARGETS.items():
        results.target(f"init, µs a step of {fleet} members", "at most", limit, "µs", found.get(fleet))
