"""What a plan will cost: FLOPs, memory and time, from one counted forward pass of each setting.

Time is FLOPs over this machine's measured speed plus a cost for every operation launched. It is meant to tell
minutes from hours, not minutes from minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from ticketbench.plan.cell import Cell, Setting
from ticketbench.plan.count import BACKWARD, Size, Work, check_chance, model_size, work_of
from ticketbench.plan.plan import CPU_FLEET, Fleet, Room
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.plugin.calls import form_of
from ticketbench.plugin.contracts import Method, Task
from ticketbench.plugin.options import canonical
from ticketbench.seeds import common

LAUNCH_SECONDS = 1e-5
"""What launching one operation costs, whatever its size."""
SMALL_PRODUCTS = 0.7
"""The share of the measured rate that the products of small networks reach."""
COUNTED_STEPS = 4
"""Training steps whose forward is counted, where it is drawn anew each step."""
COPIES = 5
"""Weights, gradients, two optimizer slots, the best validation."""


@dataclass
class Estimate:
    """What some cells will cost: steps, FLOPs, seconds of one worker, and the memory of the largest fleet."""

    cells: int = 0
    steps: int = 0
    """Training steps, summed over cells."""
    flops: float = 0.0
    seconds: float = 0.0
    memory: float = 0.0
    """Bytes of the largest fleet."""

    def over(self, workers: int) -> float:
        """Seconds when that many workers share the work."""
        return self.seconds / max(1, workers)


@dataclass(frozen=True)
class Cost:
    """What one cell of a setting costs."""

    training: Work
    judging: float
    size: Size
    steps: int
    batch: int
    elsewhere: bool = False
    """Whether a ticket is trained elsewhere than it is drawn, and with it the tickets of the levels before."""

    def flops(self) -> float:
        """FLOPs of one full training and one judgement."""
        return BACKWARD * self.training.flops() * self.batch * self.steps + self.judging

    def seconds(self, rate: float, members: int) -> float:
        """Seconds of the same, for one of `members` that are stacked."""
        launches = BACKWARD * self.training.operations * self.steps * LAUNCH_SECONDS / members
        return self.flops() / rate + launches

    def memory(self, members: int) -> float:
        """Bytes of a fleet of this size while it trains."""
        return members * (COPIES * 4 * self.size.parameters + self.training.activations * self.batch)


def estimate(cells: Iterable[Cell], resolver: Resolver, members: int = CPU_FLEET, rate: float = 0.0) -> Estimate:
    """The cost of cells; `rate` in FLOP/s is measured when it is not given."""
    rate = rate or measured_rate()
    total = Estimate()
    known: dict[int, tuple[Cost, Method]] = {}
    for cell in cells:
        at = id(cell.setting)
        if at not in known:
            known[at] = cost_of(cell.setting, resolver), resolver.cast(cell.setting).method
        cost, method = known[at]
        trainings = method.trainings(cell.density)
        trainings += max(0.0, trainings - 1) if cost.elsewhere else 0.0
        total.cells += 1
        total.steps += round(trainings * cost.steps)
        total.flops += trainings * cost.flops()
        total.seconds += trainings * cost.seconds(rate, members)
        total.memory = max(total.memory, cost.memory(members))
    return total


def largest_fleet(fleets: Iterable[Fleet], resolver: Resolver) -> float:
    """Bytes of the largest of these fleets."""
    sizes: dict[str, tuple[Setting, int]] = {}
    for fleet in fleets:
        setting = fleet.cells[0].setting
        text = setting.fleet_text()
        sizes[text] = (setting, max(len(fleet.cells), sizes.get(text, (setting, 0))[1]))
    costs = [cost_of(setting, resolver).memory(members) for setting, members in sizes.values()]
    return max(costs, default=0.0)


def room_in(memory: float, resolver: Resolver) -> Room:
    """How many cells of a setting fit into so many bytes, one at least; the estimate errs on the large side."""

    def room(setting: Setting) -> int:
        return max(1, int(memory // cost_of(setting, resolver).memory(1)))

    return room


def cost_of(setting: Setting, resolver: Resolver) -> Cost:
    """What a cell of a setting costs; settings that differ in their method alone are counted once."""
    known: dict[str, Cost] = resolver.costs
    text = canonical([*setting.model, *setting.task, *setting.protocol, setting.recipe])
    if text not in known:
        known[text] = count(resolver.cast(setting))
    return known[text]


def count(cast: Cast) -> Cost:
    """Count one forward pass in training and one in judging."""
    task, model, recipe = cast.stages.train_on, cast.model, cast.recipe
    calls = {
        form_of(call): call
        for call in (model.training_call(common("training call", step)) for step in range(COUNTED_STEPS))
    }
    sweep = cast.stages.sweep if model.sweeps else ()
    check_chance(model, task.shapes(), next(iter(calls.values())), model.sweep_call(sweep[:2]) if sweep else {})
    works = [work_of(model, task.shapes(), call) for call in calls.values()]
    mean = Work(
        other=sum(work.flops() for work in works) / len(works),
        operations=round(sum(work.operations for work in works) / len(works)),
        activations=max(work.activations for work in works),
    )
    judged = [(judging_flops(cast, part), part.sizes().test) for part in cast.stages.judge_on.values()]
    return Cost(
        mean,
        sum(flops * count for flops, count in judged),
        model_size(model, task.shapes()),
        recipe.total_steps(task.sizes().train),
        recipe.batch,
        cast.stages.trains_elsewhere,
    )


def judging_flops(cast: Cast, task: Task) -> float:
    """FLOPs of judging one example, at every budget of the sweep.

    A long sweep is extrapolated from its first two budgets: every further iteration costs the same, and so
    does every further output.
    """
    model, sweep, shapes = cast.model, cast.stages.sweep, task.shapes()
    if not (model.sweeps and sweep):
        return work_of(model, shapes, {}).flops()

    def flops(*points: int) -> float:
        return work_of(model, shapes, model.sweep_call(points)).flops()

    iteration, output = flops(2) - flops(1), flops(1, 2) - flops(2)
    return flops(1) + iteration * (max(sweep) - 1) + output * (len(sweep) - 1)


def measured_rate() -> float:
    """FLOP/s of one worker on products of the size that small networks have."""
    cuda = torch.cuda.is_available()
    left = torch.rand(32 if cuda else 1, 128, 256, device="cuda" if cuda else "cpu")
    right = torch.rand(left.shape[0], 256, 128, device=left.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(10):
                torch.bmm(left, right)
            if cuda:
                torch.cuda.synchronize()
            best = min(best, (time.perf_counter() - start) / 10)
    finally:
        torch.set_num_threads(threads)
    return SMALL_PRODUCTS * 2 * left.numel() * 128 / best
