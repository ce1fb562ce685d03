"""CUDA against the CPU on every suite's smoke tier.

Rows that draw at initialization: their masks must be equal bit for bit, and the losses of the first steps equal within
rounding. All rows: the whole tier is run on both, its statuses must be equal, and so must the first point of each
training curve within what rounding becomes in some steps; how far headlines are apart is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import torch

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.machine import CPU, Machine
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.stand_ins import StandInResolver
from benchmarks.gpu.suites import SUITES, Tier, named, tier_of, with_recipe
from benchmarks.gpu.troubles import going_on
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.member import Member
from ticketbench.engine.precision import set_precision
from ticketbench.engine.steppers import Recording
from ticketbench.masks.ticket import Mask
from ticketbench.plan.cell import Cell
from ticketbench.plugin.loading import Plugins
from ticketbench.store.schema import CellRecord, CurvePoint

COLUMNS = (
    "suite",
    "rows drawn at init",
    "masks",
    "weights that differ",
    "first loss apart",
    "losses apart",
    "cells run",
    "statuses that differ",
    "curves apart",
    "headlines apart",
)
STEPS = 8
"""Steps whose losses are compared one by one."""
FIRST, LATER, CURVE = 1e-4, 1e-3, 2e-2
"""How far a loss may be apart, as a share of the CPU's: before the first update, in the first steps, and at the first
point of a training curve, the mean of up to 50 steps, where masks drawn from trained weights may differ."""
AT_INIT_SHARE = 0.4
"""Of the time, for rows that draw at initialization."""
REHEARSED, GROUPS = ("gradflow",), 2
"""The suites of a rehearsal, and how many rows and fleets of each."""


class NotAtInitializationError(BaseException):
    """A row trains before it has its ticket. No `Exception`: it is meant for who asked."""


@dataclass
class Tally:
    """What was found of a suite."""

    suite: str
    rows: set[str] = field(default_factory=set)
    masks: int = 0
    differing: int = 0
    first: float = 0.0
    later: float = 0.0
    cells: int = 0
    statuses: int = 0
    curves: float = 0.0
    headlines: float = 0.0
    mismatches: list[str] = field(default_factory=list)


def compare(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """Both parts, the suites in turns, so that what is cut off is missing of all."""
    resolver, chosen = StandInResolver(plugins), REHEARSED if machine.rehearsal else SUITES
    tiers = {suite: tier_of(suite, "smoke", plugins, resolver) for suite in chosen}
    tallies = {suite: Tally(suite) for suite in tiers}
    first = Allowance.of(until.left() * AT_INIT_SHARE)
    left_out: dict[str, int] = {}
    try:
        most = GROUPS if machine.rehearsal else None
        for suite, cells in in_turns({suite: tier.settings()[:most] for suite, tier in tiers.items()}):
            if first.over:
                left_out[f"{suite} rows at initialization"] = left_out.get(f"{suite} rows at initialization", 0) + 1
                continue
            with going_on(machine, section, f"{suite}, {named(cells)}, at initialization"):
                at_initialization(machine, tiers[suite], cells, tallies[suite])
        for suite, cells in in_turns(
            {suite: [list(fleet.cells) for fleet in tier.fleets()[:most]] for suite, tier in tiers.items()}
        ):
            if until.over:
                left_out[f"{suite} fleets"] = left_out.get(f"{suite} fleets", 0) + 1
                continue
            with going_on(machine, section, f"{suite}, {named(cells)}, whole runs"):
                whole_runs(machine, tiers[suite], cells, tallies[suite])
    finally:
        write_up(section, tallies.values(), left_out)
        if resolver.stood_in:
            section.notes.append(f"random examples stand in for: {', '.join(sorted(resolver.stood_in))}")


def write_up(section: Section, tallies: Iterable[Tally], left_out: Mapping[str, int]) -> None:
    """A row a suite."""
    section.notes.append(
        f"losses may be {FIRST:g} apart before the first update, {LATER:g} in the first {STEPS} steps, {CURVE:g} at "
        "the first point of a curve; masks at initialization and statuses not at all"
    )
    for one in tallies:
        at_first = [one.suite, len(one.rows), one.masks, one.differing, one.first, one.later]
        whole = [one.cells, one.statuses, one.curves, one.headlines]
        section.add(**dict(zip(COLUMNS, [*at_first, *whole], strict=True)))
        section.mismatches += one.mismatches
    section.left_out += [f"{count} {what}" for what, count in left_out.items()]


def in_turns(groups: Mapping[str, Sequence[list[Cell]]]) -> Iterator[tuple[str, list[Cell]]]:
    """One group of cells of each suite, then the next of each."""
    for turn in zip_longest(*groups.values()):
        yield from ((suite, cells) for suite, cells in zip(groups, turn, strict=True) if cells)


# -- rows that draw at initialization ----------------------------------------------------------------------------


def at_initialization(machine: Machine, tier: Tier, cells: Sequence[Cell], tally: Tally) -> None:
    """Draw and train a few steps on both, if nothing is trained before the ticket is there."""
    try:
        expected = first_steps(CPU, None, tier, cells)
        found = first_steps(machine.device, machine.recording, tier, cells)
    except NotAtInitializationError:
        return
    if all(member.status == "failed" for member in expected):
        return  # a few steps are too short for how it draws: whole runs say whether it fails
    tally.rows.add(f"{cells[0].setting.row} {cells[0].setting.model}")
    for one, other in zip(found, expected, strict=True):
        who = f"{tally.suite}, {named([one.cell])}, density {one.cell.density:g}, seed {one.cell.seed}"
        if one.status != other.status:
            tally.statuses += 1
            tally.mismatches.append(f"{who}: {one.status} {one.reason} instead of {other.status} {other.reason}")
            continue
        differing = differing_weights(mask_of(one), mask_of(other))
        tally.masks += 1
        tally.differing += differing
        if differing:
            tally.mismatches.append(f"{who}: {differing} weights of the mask at initialization differ")
        losses, at_home = train_losses(one.curves), train_losses(other.curves)
        gaps = [apart(loss, home) for loss, home in zip(losses, at_home, strict=True)]
        tally.first, tally.later = max([tally.first, *gaps[:1]]), max([tally.later, *gaps[1:]])
        if len(losses) != STEPS:
            tally.mismatches.append(f"{who}: {len(losses)} losses of {STEPS} steps")
        if max(gaps[:1], default=0.0) > FIRST or max(gaps[1:], default=0.0) > LATER:
            tally.mismatches.append(f"{who}: losses {shortly(losses)} instead of {shortly(at_home)}")


def first_steps(device: torch.device, recording: Recording | None, tier: Tier, cells: Sequence[Cell]) -> list[Member]:
    """The members after a few steps, each with its ticket; an error if one trains before it has it."""
    short = with_recipe(cells, epochs=None, steps=STEPS, log_every=1)
    for cell in short[:1]:
        set_precision(cell.setting.precision)

    def hear(phase: str, steps: int) -> None:
        if phase == "drawing":
            raise NotAtInitializationError

    casts = [tier.resolver.cast(cell.setting) for cell in short]
    return lead(Bench(short, casts, device, recording), tier.headline(short[0]), hear, keep=True)


def mask_of(member: Member) -> Mask:
    """The mask of a member's ticket, on the host; nothing if it has none."""
    return {} if member.ticket is None else {name: part.cpu() for name, part in member.ticket.mask.items()}


def differing_weights(one: Mask, other: Mask) -> int:
    """Weights that are in one mask and not in the other."""
    if one.keys() != other.keys():
        raise ValueError(f"masks of other layers: {sorted(one.keys() ^ other.keys())}")
    return sum(int((part != other[name]).sum()) for name, part in one.items())


# -- whole runs --------------------------------------------------------------------------------------------------


def whole_runs(machine: Machine, tier: Tier, cells: Sequence[Cell], tally: Tally) -> None:
    """A fleet from start to end on both."""
    headline = tier.headline(cells[0])
    expected = execute(cells, tier.resolver, headline, "cpu")
    places = max(1, len(cells) * 3 // 4)  # so that some take the places of others
    found = execute(cells, tier.resolver, headline, str(machine.device), seats=places)
    for cell, one, other in zip(cells, found, expected, strict=True):
        who = f"{tally.suite}, {named([cell])}, density {cell.density:g}, seed {cell.seed}"
        tally.cells += 1
        if one.status != other.status or one.status == "failed":
            tally.statuses += 1
            tally.mismatches.append(f"{who}: {one.status} {one.reason} instead of {other.status} {other.reason}")
            continue
        gap = first_point(one, other)
        tally.curves = max(tally.curves, gap)
        if gap > CURVE:
            tally.mismatches.append(f"{who}: the first point of its training curve is {gap:.2g} apart")
        mine, theirs = one.headline, other.headline
        if mine is not None and theirs is not None and math.isfinite(mine - theirs):
            tally.headlines = max(tally.headlines, abs(mine - theirs))


def first_point(one: CellRecord, other: CellRecord) -> float:
    """How far the first points of two training curves are apart."""
    mine, theirs = train_losses(one.curves)[:1], train_losses(other.curves)[:1]
    return max((apart(loss, home) for loss, home in zip(mine, theirs, strict=True)), default=0.0)


def train_losses(curves: Sequence[CurvePoint]) -> list[float]:
    """The losses of a training, in their order."""
    return [point.value for point in curves if (point.split, point.metric) == ("train", "loss")]


def apart(found: float, expected: float) -> float:
    """How far two numbers are apart, as a share of the second; two that are not finite are equal.

    >>> apart(1.1, 1.0) < 0.11, apart(float("nan"), float("nan")), apart(1.0, float("inf"))
    (True, 0.0, inf)
    """
    if not (math.isfinite(found) and math.isfinite(expected)):
        return 0.0 if math.isfinite(found) == math.isfinite(expected) else math.inf
    return abs(found - expected) / max(abs(expected), 1e-12)


def shortly(losses: Sequence[float]) -> str:
    """Losses in a sentence."""
    return ", ".join(f"{loss:.6g}" for loss in losses[:4])
