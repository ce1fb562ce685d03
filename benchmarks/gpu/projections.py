"""The paper tiers: fleets of each kind for a moment, and how long the whole tier would train at that speed.

A kind is what has one model, task and protocol. A fleet that was not measured takes the time of a step of the
measured fleet of its kind that is nearest in size, and is taken in parts if it is larger.
Loading, scoring and judging are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.mixed_fleets import members_of
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.stand_ins import StandInResolver
from benchmarks.gpu.stretch import Stretch, timed
from benchmarks.gpu.suites import SUITES, Tier, label, tier_of, with_recipe
from benchmarks.gpu.troubles import in_a_line
from ticketbench.plan.cell import Cell
from ticketbench.plan.cost import cost_of
from ticketbench.plan.plan import Fleet, Room
from ticketbench.plugin.loading import Plugins

COLUMNS = (
    "suite",
    "kind",
    "fleets",
    "measured",
    "member-steps, millions",
    "member-steps/s",
    "training, hours",
    "why not",
)
EXAMPLES = 4_000
"""Random examples where data is not there: large images would take long to draw."""
LEAST, MOST = 5.0, 3.0
"""Seconds for one fleet at least, its first step included, and to time it at most."""
GUESSED_SPEED, SIGN = 2e13, 0.1
"""FLOP/s, and the seconds after which a fleet at that speed gives a sign: its loss is noted so often."""
INIT_TARGET = 45.0


@dataclass
class Kind:
    """Fleets of one kind."""

    suite: str
    tier: Tier
    fleets: list[Fleet]
    measured: dict[int, float]
    """Seconds of a step of the whole fleet, by its members."""
    why: str = ""

    def name(self) -> str:
        """For a table."""
        setting = self.fleets[0].cells[0].setting
        return f"{setting.task.name}, {label(setting.model)}, {label(setting.protocol)}"

    def steps(self) -> float:
        """Member-steps of all fleets."""
        return sum(self.tier.steps(cell) for fleet in self.fleets for cell in fleet.cells)

    def seconds(self) -> float | None:
        """Of all fleets, one after the other."""
        if not self.measured:
            return None
        total = 0.0
        for fleet in self.fleets:
            members = members_of(fleet)
            nearest = min(self.measured, key=lambda size: abs(size - members))
            steps = sum(self.tier.steps(cell) for cell in fleet.cells) / min(members, nearest)
            total += steps * self.measured[nearest]
        return total


def project(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row a kind, suite by suite; the largest fleet of each kind first, those of most steps before others."""
    resolver = StandInResolver(plugins, 200 if machine.rehearsal else EXAMPLES)
    suites = SUITES[:1] if machine.rehearsal else SUITES
    kinds = {
        suite: kinds_of(suite, tier_of(suite, "paper", plugins, resolver), machine.room(resolver)) for suite in suites
    }
    try:
        for number, suite in enumerate(suites):
            mine = until.part(len(suites) - number)
            for at, kind in enumerate(kinds[suite]):
                if not mine.over:
                    look_at(machine, kind, mine.part(len(kinds[suite]) - at, LEAST))
    finally:
        for suite in suites:
            write_up(suite, kinds[suite], section)
    results.target(
        "init, seconds of training of the 88-cell tier", "at most", INIT_TARGET, "s", kinds["init"][0].seconds()
    )


def write_up(suite: str, kinds: Sequence[Kind], section: Section) -> None:
    """A row a kind, and what they come to."""
    for kind in kinds:
        seconds, steps = kind.seconds(), kind.steps()
        section.add(
            **{
                "suite": suite,
                "kind": kind.name(),
                "fleets": len(kind.fleets),
                "measured": len(kind.measured),
                "member-steps, millions": steps / 1e6,
                "member-steps/s": steps / seconds if seconds else None,
                "training, hours": None if seconds is None else seconds / 3600,
                "why not": kind.why,
            }
        )
    totals = [seconds for kind in kinds if (seconds := kind.seconds()) is not None]
    missing, late = len(kinds) - len(totals), sum(not kind.measured and not kind.why for kind in kinds)
    rest = f", without {missing} of {len(kinds)} kinds" if missing else ""
    section.notes.append(f"{suite}: {sum(totals) / 3600:.3g} hours of training on one card{rest}")
    section.left_out += [f"{late} kinds of {suite}"] if late else []


def kinds_of(suite: str, tier: Tier, room: Room | None = None) -> list[Kind]:
    """All kinds of a tier, those of most member-steps first."""
    groups: dict[tuple[object, ...], Kind] = {}
    for fleet in tier.fleets(room=room):
        setting = fleet.cells[0].setting
        at = (setting.model, setting.task, setting.protocol)
        groups.setdefault(at, Kind(suite, tier, [], {})).fleets.append(fleet)
    for kind in groups.values():
        kind.fleets.sort(key=members_of, reverse=True)
    return sorted(groups.values(), key=cells_in, reverse=True)


def cells_in(kind: Kind) -> int:
    """How many cells a kind has."""
    return sum(len(fleet.cells) for fleet in kind.fleets)


def look_at(machine: Machine, kind: Kind, until: Allowance) -> None:
    """Measure a kind's largest fleet, then its smallest if there is time."""
    for fleet in dict.fromkeys([kind.fleets[0], kind.fleets[-1]]):
        members = members_of(fleet)
        if until.over or members in kind.measured:
            return
        try:
            try:
                stretch = stretch_of(machine, kind, fleet.cells[:members], until)
            except torch.OutOfMemoryError:
                members = (members + 1) // 2
                stretch = stretch_of(machine, kind, fleet.cells[:members], until)
        except Exception as error:  # what one network cannot do is no reason to leave the others out
            kind.why = in_a_line(error)[:120]
            if not machine.works():
                raise
            return
        if stretch.microseconds is not None:
            kind.measured[members] = stretch.microseconds / 1e6
        elif not kind.measured:
            kind.why = "no step was timed in its share of the time"


def stretch_of(machine: Machine, kind: Kind, cells: Sequence[Cell], until: Allowance) -> Stretch:
    """Some steps of these cells; of two in a rehearsal."""
    resolver = kind.tier.resolver
    flops = cost_of(cells[0].setting, resolver).step_flops() * len(cells)
    often = 2 if machine.rehearsal else max(1, min(100, round(SIGN * GUESSED_SPEED / flops)))
    chosen = with_recipe(cells[: 2 if machine.rehearsal else None], log_every=often)
    return timed(machine, chosen, resolver, kind.tier.headline(cells[0]), min(MOST, until.left() / 4), until, warm=5)
