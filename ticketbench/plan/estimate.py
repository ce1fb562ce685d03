"""What a plan will cost: steps, FLOPs, memory and time, from its fleets and the speed of the machine.

The time has a worker's start, what each fleet costs beside its steps, every training with its validations, the passes
of scorers and probes, and every judgement at all its budgets. Not in it are the reading of data, what a method computes
beside training and scoring, and what a regime adds to a step. Where this machine computed a model before, the ratio of
what it took to what was estimated corrects the rest (see `ticketbench.plan.measured`).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.plan.cell import Cell, Setting
from ticketbench.plan.cost import Cost, cost_of
from ticketbench.plan.measured import Measured
from ticketbench.plan.plan import Fleet, Room
from ticketbench.plan.resolve import Resolver
from ticketbench.plan.speed import Seconds, Speed


@dataclass(frozen=True)
class Estimate:
    """What some fleets will cost on some workers."""

    cells: int = 0
    steps: int = 0
    """Training steps, summed over cells."""
    flops: float = 0.0
    memory: float = 0.0
    """Bytes of the largest fleet."""
    seconds: float = 0.0
    """Until the last worker is done, its start included."""
    known: float = 0.0
    """The share of the fleets' time whose model was measured on this machine before."""

    @property
    def basis(self) -> str:
        """What the time rests on, in a few words."""
        if self.known == 0:
            return "from a first guess"
        return "measured here before" if self.known > 0.99 else f"{self.known:.0%} of it measured here before"


@dataclass(frozen=True)
class Share:
    """How often one cell does what costs time."""

    trainings: float
    scorings: float
    looks: float
    effort: float
    """The trainings in units of dense ones: those at live weights take less."""

    @classmethod
    def of(cls, cell: Cell, cost: Cost, resolver: Resolver) -> Share:
        """The trainings, scoring passes and passes of probes of a cell."""
        method = resolver.chosen("method", cell.setting.method)
        drawn = method.trainings(cell.density)
        trainings = drawn + max(0.0, drawn - 1) if cost.elsewhere else drawn
        scorings = method.scorings(cell.density)
        looks = cost.looks + cost.looks_each_training * trainings + cost.looks_at_masks * scorings
        return cls(trainings, scorings, looks, trainings * effort_of(cell, trainings))


SPARSE_START, SPARSE_SLOPE = 0.05, 1.15
"""A step at live weights in units of a dense one, as multi-layer perceptrons were measured: a start, and by density."""


def effort_of(cell: Cell, trainings: float) -> float:
    """What a training of a cell takes on average, in units of a dense one; chains go down by equal factors."""
    if cell.setting.engine == "full":
        return 1.0
    levels = max(1, round(trainings))
    densities = [cell.density ** ((level + 1) / levels) for level in range(levels)] if levels > 1 else [cell.density]
    return sum(min(1.0, SPARSE_START + SPARSE_SLOPE * density) for density in densities) / levels


def estimate(
    fleets: Sequence[Fleet], resolver: Resolver, speed: Speed, devices: Sequence[str], measured: Measured | None = None
) -> Estimate:
    """The cost of fleets on workers, each of which has its device."""
    cells, steps, flops, memory = 0, 0, 0.0, 0.0
    times: list[Seconds] = []
    known = 0.0
    facts: dict[int, tuple[Cost, float | None]] = {}
    counted: dict[tuple[int, float], Share] = {}
    for fleet in fleets:
        setting = fleet.cells[0].setting
        if id(setting) not in facts:
            factor = measured.factor(model_key(setting)) if measured else None
            facts[id(setting)] = cost_of(setting, resolver), factor
        (cost, factor), shares = facts[id(setting)], shares_of(fleet.cells, resolver, counted)
        cells += len(shares)
        steps += sum(round(share.trainings * cost.steps) for share in shares)
        flops += sum(share.trainings for share in shares) * cost.flops()
        memory = max(memory, cost.memory(min(len(shares), fleet.seats or len(shares))))
        times.append(fleet_seconds(cost, shares, setting.precision, speed, fleet.seats).times(factor or 1.0))
        known += times[-1].all if factor else 0.0
    taken = sum(time.all for time in times)
    return Estimate(cells, steps, flops, memory, wall_clock(times, speed, devices), known / taken if taken else 0.0)


def shares_of(
    cells: Sequence[Cell], resolver: Resolver, counted: dict[tuple[int, float], Share] | None = None
) -> list[Share]:
    """What each cell does, counted once for each setting and density; `counted` has those of other calls."""
    known = {} if counted is None else counted
    for cell in cells:
        at = id(cell.setting), cell.density
        if at not in known:
            known[at] = Share.of(cell, cost_of(cell.setting, resolver), resolver)
    return [known[id(cell.setting), cell.density] for cell in cells]


def training_steps(cells: Sequence[Cell], resolver: Resolver) -> int:
    """How many training steps cells take, added up."""
    shares = shares_of(cells, resolver)
    costs = [cost_of(cell.setting, resolver) for cell in cells]
    return sum(round(share.trainings * cost.steps) for cost, share in zip(costs, shares, strict=True))


def guessed_seconds(fleet: Fleet, resolver: Resolver, speed: Speed) -> Seconds:
    """How long a fleet takes one worker, without what was measured before."""
    setting = fleet.cells[0].setting
    cost, shares = cost_of(setting, resolver), shares_of(fleet.cells, resolver)
    return fleet_seconds(cost, shares, setting.precision, speed, fleet.seats)


def fleet_seconds(cost: Cost, shares: Sequence[Share], precision: str, speed: Speed, seats: int = 0) -> Seconds:
    """How long cells that do so much take together: as many trainings as the longest of them, passes one by one.

    Where there are fewer seats than cells, each seat has its share of the trainings at least.
    """
    training, beside = fleet_parts(cost, shares, precision, speed, seats)
    return training.plus(beside)


def fleet_parts(
    cost: Cost, shares: Sequence[Share], precision: str, speed: Speed, seats: int = 0
) -> tuple[Seconds, Seconds]:
    """What of a fleet's time is training, with its validations, and what is not."""
    trainings = sum(share.effort for share in shares)
    longest = max(*(share.effort for share in shares), trainings / (seats or len(shares)))
    members = trainings / longest if longest else 1.0  # on average, while one is trained
    passes = sum(share.scorings + share.looks for share in shares)
    training = speed.training_step(cost, members, precision).times(cost.steps * longest)
    return (
        training.plus(speed.judging(cost.validating, members, precision).times(longest)),
        Seconds(speed.fleet + speed.cell * len(shares), 0.0)
        .plus(speed.judging(cost.judging, members, precision).times(longest))
        .plus(speed.looking(cost, precision).times(passes)),
    )


def wall_clock(times: Sequence[Seconds], speed: Speed, devices: Sequence[str]) -> float:
    """Until the last worker is done, if each takes the next fleet when it is free; a card serves one at a time."""
    if not times:
        return 0.0
    free = [speed.start] * max(1, min(len(devices), len(times)))
    for time in times:
        heapq.heapreplace(free, free[0] + time.all)
    busy = sum(time.busy for time in times) / max(1, len(set(devices)))
    return max(*free, speed.start + busy)


def learn(
    fleets: Sequence[tuple[Fleet, float]], resolver: Resolver, speed: Speed, workers: int, measured: Measured
) -> None:
    """Remember how long fleets took beside what was guessed; the first of each worker took its first steps, too."""
    taken: defaultdict[str, float] = defaultdict(float)
    guessed: defaultdict[str, float] = defaultdict(float)
    for number, (fleet, seconds) in enumerate(fleets):
        model = model_key(fleet.cells[0].setting)
        taken[model] += max(0.0, seconds - (speed.first if number < workers else 0.0))
        guessed[model] += guessed_seconds(fleet, resolver, speed).all
    measured.learn(taken, guessed)


def model_key(setting: Setting) -> str:
    """What a measured rate is remembered by, beside the machine: the model, the kind of device and the precision."""
    sparse = "" if setting.engine == "full" else f", {setting.engine}"
    return f"{setting.model} on {setting.device_class}, {setting.precision}{sparse}"


def room_in(memory: float, resolver: Resolver) -> Room:
    """How many cells of a setting fit into so many bytes, one at least; the estimate errs on the large side."""

    def room(setting: Setting) -> int:
        return max(1, int(memory // cost_of(setting, resolver).memory(1)))

    return room
