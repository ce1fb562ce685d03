"""A cell of a fleet while it lives: what it asks for, what it has cost, and what was found about it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ticketbench.engine.bench import Bench
from ticketbench.engine.journal import Journal
from ticketbench.engine.judge import JudgedCandidate
from ticketbench.engine.reading import Reading, read_off
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import SuiteError, suggest
from ticketbench.masks.ticket import Mask, Ticket
from ticketbench.plan.cell import Cell, describe
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.mask_rule import MaskRule
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.request import Remask, Request, Train
from ticketbench.store.schema import CellRecord, CurvePoint
from ticketbench.suite.suite import Headline


@dataclass(frozen=True)
class Together:
    """A life's request for what all lives of a fleet do at once: leave out dropped units, or go to the next stage."""

    what: Literal["shrink", "move on"]


@dataclass
class Member:
    """One cell of a fleet while it lives."""

    index: int
    """Its seat in the fleet."""
    cell: Cell
    cast: Cast
    trial: MemberTrial
    life: Iterator[Request | Together] = field(default_factory=lambda: iter(()))
    request: Request | Together | None = None
    under_way: bool = False
    """Whether the training that it asks for has begun."""
    unbooked: int = 0
    """Steps of the present stretch, before a pause."""
    status: str = ""
    reason: str = ""
    error: str = ""
    asked: int = 0
    """How many requests its method has yielded."""
    passed: int = 0
    """How many requests its life has come to after drawing."""
    journal: Journal | None = None
    """What its method was told, where checkpoints are made."""
    rule: MaskRule | None = None
    """The mask rule that its method named last."""
    regime: Regime | None = None
    """The regime that its method's last training was to be under."""
    drawing: bool = True
    drawn: Mask = field(default_factory=dict)
    """The mask of the ticket."""
    round: int = 0
    densely: bool = False
    """Whether steps of its were computed with all weights."""
    sparsely: bool = False
    """Whether steps of its were computed at its live weights alone."""
    draw_seconds: float = 0.0
    train_seconds: float = 0.0
    train_steps: int = 0
    draw_flops: float = 0.0
    """What the trial had spent when the ticket was drawn."""
    train_flops: float = 0.0
    """Of the training after that."""
    energy: float | None = None
    """Joules; None where the card does not tell."""
    curves: list[CurvePoint] = field(default_factory=list)
    headline: float = float("nan")
    headline_x: float | None = None
    sweep_best: float | None = None
    sweep_last: float | None = None
    overthinking: float | None = None
    ticket: Ticket | None = None
    solution: Ticket | None = None
    clock: float = 0.0
    """When the stretch of time began that is not booked yet."""

    def book(self) -> None:
        """Book the time since the clock was set to drawing or to training, and set it again."""
        now, spent = time.perf_counter(), self.trial.spent
        spend(self, now - self.clock - spent.looking)
        self.clock, spent.looking = now, 0.0

    def note_request(self, request: Request) -> None:
        """Remember what the method has named, for whoever leads it here again."""
        if isinstance(request, Train):
            self.regime = request.regime
        elif isinstance(request, Remask):
            self.rule = request.rule

    def fail(self, error: BaseException) -> None:
        """What a plugin raised ends this life and no other."""
        self.status, self.reason = "failed", f"{type(error).__name__}: {error}"
        self.error = "".join(traceback.format_exception(error)[-6:])


def spend(member: Member, seconds: float) -> None:
    """Book time to drawing or to training."""
    member.trial.spent.seconds += seconds
    if member.drawing:
        member.draw_seconds += seconds
    else:
        member.train_seconds += seconds


def book_training(bench: Bench, member: Member, steps: int, seconds: float, mask: Mask | None = None) -> None:
    """Book a stretch of training, under the member's present mask or another one."""
    member.train_steps += steps
    member.trial.spent.steps += steps
    flops = bench.stage.flops(mask or bench.stack.mask(member.index), steps * bench.stage.recipe.batch)
    member.trial.spent.flops += flops
    member.train_flops += 0.0 if member.drawing else flops
    spend(member, seconds)


def note_judgement(member: Member, judgement: JudgedCandidate, headline: Headline, bench: Bench) -> None:
    """Book a judgement: the sweeps of the last one, and a point of the curve over densities for each."""
    network, judged = bench.stage.network, judgement.candidate
    first = next(iter(judgement.test.values()))
    if judged.final and headline.metric not in first:
        member.fail(SuiteError(f"nothing computes the headline's metric. {suggest(headline.metric, first)}"))
    sweep = bench.judge.sweep(network)

    def add(split: str, label: str, metric: str, values: Sequence[float]) -> None:
        if judged.final and sweep:
            where = (split, label, metric, member.round, network.model.sweeps)
            member.curves += [CurvePoint(*where, float(x), y) for x, y in zip(sweep, values, strict=True)]

    for label, scores in judgement.test.items():
        for metric, values in scores.items():
            add("test", label, metric, values)
            mine = metric == headline.metric
            validated = judgement.choosing[label][metric] if mine and judgement.choosing else []
            if validated:
                add("validation", label, metric, validated)
            reading = read_off(headline if mine else Headline(metric=metric), sweep, values, validated)
            point = CurvePoint("test", label, metric, member.round, "density", judged.density, reading.value)
            member.curves.append(point)
            if judged.final and mine and label == next(iter(judgement.test)):
                note_headline(member, reading, headline)
    member.round += 1


def note_headline(member: Member, reading: Reading, headline: Headline) -> None:
    """The cell's result, and what stands beside it."""
    member.headline, member.headline_x = reading.value, reading.x
    member.sweep_best, member.sweep_last = reading.best, reading.last
    member.overthinking = reading.overthinking(headline.higher_is_better)


def outcome(member: Member) -> CellRecord:
    """What a life leaves: what became of the cell, and what it cost."""
    return replace(
        describe(member.cell),
        status=member.status,
        reason=member.reason,
        error=member.error,
        headline=member.headline,
        headline_x=member.headline_x,
        sweep_best=member.sweep_best,
        sweep_last=member.sweep_last,
        overthinking=member.overthinking,
        draw_flops=member.trial.spent.flops if member.drawing else member.draw_flops,
        train_flops=member.train_flops,
        draw_seconds=member.draw_seconds,
        train_seconds=member.train_seconds,
        train_steps=member.train_steps,
        curves=(*member.curves, *member.trial.looks.points),
        probes=tuple(member.trial.findings),
    )
