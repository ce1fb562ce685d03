"""The life of a cell, and how a fleet's lives are led in lock-step.

Each life is a generator that stops wherever training is needed. The engine advances all of them, trains the
members that asked for the same stretch together, judges what they reported, and goes on until all have ended.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from ticketbench.bench import Bench, Report, synchronize
from ticketbench.cell import Cell
from ticketbench.contracts import Train
from ticketbench.errors import TicketError
from ticketbench.resolve import Cast
from ticketbench.scopes import kept_count
from ticketbench.suite import Headline
from ticketbench.ticket import Ticket, collapsed_layers
from ticketbench.train import Goal, train
from ticketbench.trial import Trial


class Move:
    """A life's request to go from the drawing stage to the training stage, with all the others."""


Curve = tuple[str, str, str, int, str, float, float]
"""(split, judged on, metric, round, x name, x, value)."""


@dataclass
class Member:
    """One cell of a fleet while it lives."""

    cell: Cell
    cast: Cast
    trial: Trial
    life: Iterator[Train | Move] = field(default_factory=lambda: iter(()))
    request: Train | Move | None = None
    status: str = ""
    reason: str = ""
    error: str = ""
    drawing: bool = True
    round: int = 0
    draw_seconds: float = 0.0
    train_seconds: float = 0.0
    train_steps: int = 0
    curves: list[Curve] = field(default_factory=list)
    probes: list[tuple[str, str, str, float]] = field(default_factory=list)
    """(probe, moment, name, value)."""
    headline: float = float("nan")
    ticket: Ticket | None = None
    solution: Ticket | None = None
    clock: float = 0.0
    """When the stretch of time began that is not booked yet."""

    def book(self) -> None:
        """Book the time since the clock was set to drawing or to training, and set it again."""
        now = time.perf_counter()
        spend(self, now - self.clock)
        self.clock = now


def lead(bench: Bench, headline: Headline, progress: Callable[[str, int], None], keep: bool) -> list[Member]:
    """Lead all lives of a fleet to their end."""
    members = []
    for index, (cell, cast) in enumerate(zip(bench.cells, bench.casts, strict=True)):
        member = Member(cell, cast, Trial(bench, index, cell.seed, cell.density, cast.scorer))
        member.life = live(bench, member, index, keep)
        members.append(member)
    while True:
        for member in members:
            if not member.status and member.request is None:
                advance(bench, member)
        if bench.waiting:
            progress("judging", 0)
        for report, found in bench.judge():
            note_judgement(members[report.member], report, found, headline, bench)
        waiting = [index for index, member in enumerate(members) if not member.status]
        if not waiting:
            return members
        trainings = group(bench, members, waiting)
        if not trainings:
            bench.move_on()
            for index in waiting:
                members[index].request = None
        for together, until in trainings:
            train_together(bench, members, together, until, headline, progress)


def live(bench: Bench, member: Member, index: int, keep: bool) -> Iterator[Train | Move]:
    """One cell from its first weight to its judgement."""
    trial, cast = member.trial, member.cast
    yield from cast.method.draw(trial) or ()
    check_density(trial)
    if cast.initializer.sparse_aware and trial.step == 0 and trial.present_density < 1:
        bench.initialize_again(index)
    member.ticket = Ticket(trial.mask, bench.stack.snapshot(index).weights) if keep else None
    synchronize(bench.device)
    member.book()
    member.drawing = False
    measure(member, "drawn")
    if bench.trains_elsewhere:
        yield Move()
    yield Train()
    if bench.stages.adapt:
        yield Move()
        yield Train()
    bench.stack.check()
    measure(member, "trained")
    trial.report()
    member.solution = Ticket(trial.mask, bench.waiting[-1].parameters) if keep else None
    collapsed = collapsed_layers(trial.mask)
    if collapsed:
        member.status, member.reason = "collapsed", f"no weight is left in {', '.join(collapsed)}"


def check_density(trial: Trial) -> None:
    """A method must have kept exactly as many weights as its density says."""
    target = kept_count(trial.density, trial.total_weights)
    kept = sum(int(mask.sum()) for mask in trial.mask.values())
    if kept != target:
        raise TicketError(
            f"the method left {kept} of {trial.total_weights} weights; density {trial.density:g} means {target}"
        )


def measure(member: Member, moment: str) -> None:
    """Let the probes of a moment look."""
    for probe in member.cast.probes:
        if moment in probe.moments:
            found = probe.measure(member.trial)
            member.probes += [(probe.name, moment, name, float(value)) for name, value in found.items()]


def advance(bench: Bench, member: Member) -> None:
    """Run one life up to its next request. What a plugin raises ends this life and no other."""
    synchronize(bench.device)
    member.clock = time.perf_counter()
    try:
        member.request = next(member.life)
    except StopIteration:
        member.status = member.status or "ok"
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        member.status, member.reason = "failed", f"{type(error).__name__}: {error}"
        member.error = "".join(traceback.format_exception(error)[-6:])
        bench.waiting = [report for report in bench.waiting if report.member != bench_index(bench, member)]
    synchronize(bench.device)
    member.book()


def bench_index(bench: Bench, member: Member) -> int:
    """A member's place in its fleet."""
    return [cell.key for cell in bench.cells].index(member.cell.key)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def spend(member: Member, seconds: float) -> None:
    """Book time to drawing or to training."""
    if member.drawing:
        member.draw_seconds += seconds
    else:
        member.train_seconds += seconds


def group(bench: Bench, members: list[Member], waiting: list[int]) -> list[tuple[list[int], int]]:
    """The members that can be trained together: same start, same end, optimizers of the same age."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index in waiting:
        request = members[index].request
        if isinstance(request, Train):
            trial = members[index].trial
            until = trial.total_steps if request.until is None else request.until
            groups.setdefault((trial.step, until, bench.stack.updates[index]), []).append(index)
    return [(together, until) for (_, until, _), together in groups.items()]


def train_together(
    bench: Bench,
    members: list[Member],
    together: list[int],
    until: int,
    headline: Headline,
    progress: Callable[[str, int], None],
) -> None:
    """Train a group to a step, and hand each member its curves."""
    start = time.perf_counter()
    stepper, part = bench.stepper(together)
    first = part.steps[0]
    goal = Goal(headline.metric, headline.higher_is_better)
    seeds = [members[index].cell.seed for index in together]
    phase = "drawing" if members[together[0]].drawing else "training"
    log = train(stepper, bench.data, seeds, until, goal, lambda steps: progress(phase, steps * len(together)))
    if part is not bench.stack:
        bench.stack.put(together, part)
    synchronize(bench.device)
    share = (time.perf_counter() - start) / len(together)
    for at, metric, step, value in log.points:
        member = members[together[at]]
        split, _, name = metric.partition("/")
        member.curves.append((split, "", name, member.round, "step", float(step), value))
    for at, index in enumerate(together):
        member = members[index]
        member.request = None
        member.train_steps += part.steps[at] - first
        spend(member, share)
        if at in log.diverged:
            member.status = "diverged"
            member.reason = f"the training loss was not finite by step {log.diverged[at]}"


def note_judgement(
    member: Member, report: Report, found: dict[str, dict[str, list[float]]], headline: Headline, bench: Bench
) -> None:
    """Book a judgement: the sweep of the last one, and a point of the curve over densities for each."""
    final = not member.drawing
    for label, scores in found.items():
        for metric, values in scores.items():
            if final and bench.sweep:
                points = zip(bench.sweep, values, strict=True)
                name = bench.network.model.sweeps
                member.curves += [("test", label, metric, member.round, name, float(x), y) for x, y in points]
            value = pick(values, bench.sweep, headline if metric == headline.metric else Headline(metric=metric))
            member.curves.append(("test", label, metric, member.round, "density", report.density, value))
            if final and metric == headline.metric and label == next(iter(found)):
                member.headline = value
    member.round += 1


def pick(values: list[float], sweep: tuple[int, ...], headline: Headline) -> float:
    """The one value of a sweep that the suite's headline asks for."""
    if headline.at == "last" or not sweep:
        return values[-1]
    if headline.at == "best":
        return max(values) if headline.higher_is_better else min(values)
    if headline.at not in sweep:
        raise TicketError(f"the headline asks for {headline.at}, which the sweep does not judge at")
    return values[sweep.index(headline.at)]


def outcome(member: Member) -> dict[str, Any]:
    """What a life leaves, as plain data."""
    return {
        "key": member.cell.key,
        "status": member.status,
        "reason": member.reason,
        "error": member.error,
        "headline": member.headline,
        "draw_seconds": member.draw_seconds,
        "train_seconds": member.train_seconds,
        "train_steps": member.train_steps,
        "curves": member.curves,
        "probes": member.probes,
    }
