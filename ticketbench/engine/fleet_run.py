"""A fleet's run: its lives, led in lock-step.

Each life is a generator that stops wherever training is needed. All of them are advanced, the members that asked for
the same stretch are trained together, what they reported is judged, and so on until all have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch

from ticketbench.engine.bench import Bench, synchronize
from ticketbench.engine.judge import Candidate
from ticketbench.engine.life import Life, whole_life
from ticketbench.engine.member import Member, Together, book_training, note_judgement, spend
from ticketbench.engine.shrinking import shrink, silence
from ticketbench.engine.stack import Stack
from ticketbench.engine.train import Goal, Log, train_stack
from ticketbench.engine.trial import MemberTrial
from ticketbench.plugin.request import Train
from ticketbench.seeds import seed_of
from ticketbench.store.schema import CurvePoint, Finding
from ticketbench.suite.suite import Headline

Progress = Callable[[str, int], None]
"""Told of a phase and of training steps, added up over members."""
Begin = Callable[[Bench, Member], Life]
"""Makes the life that a member leads."""


def silent(phase: str, steps: int) -> None:
    """Progress that nobody is told of."""


@dataclass
class FleetRun:
    """The lives of a fleet's cells, on one bench."""

    bench: Bench
    headline: Headline
    progress: Progress = silent
    members: list[Member] = field(default_factory=list)

    def lead(self, begin: Begin) -> list[Member]:
        """Begin every cell's life and lead all of them to their end, training together whoever waits for it."""
        for index, (cell, cast) in enumerate(zip(self.bench.cells, self.bench.casts, strict=True)):
            member = Member(index, cell, cast, MemberTrial(self.bench, index))
            member.life = begin(self.bench, member)
            self.members.append(member)
        while True:
            for member in self.living():
                if member.request is None:
                    self.advance(member)
            self.judge_what_waits()
            self.enter_trainings()
            living = self.living()
            if not living:
                return self.members
            groups = self.groups(living)
            for members, until in groups:
                with guarded(*members) if self.under_a_regime(members) else nullcontext():
                    self.train_together(members, until)
            if not groups:
                self.go_on_together(living)

    def living(self) -> list[Member]:
        """The members whose lives have not ended."""
        return [member for member in self.members if not member.status]

    def advance(self, member: Member) -> None:
        """Run one life up to its next request. What a plugin raises ends this life and no other."""
        synchronize(self.bench.device)
        member.clock = time.perf_counter()
        try:
            member.request = next(member.life)
        except StopIteration:
            member.status = member.status or "ok"
        except (Exception, SystemExit) as error:
            if out_of_memory(error):
                raise
            member.fail(error)
            self.bench.judge.withdraw(member.index)
        synchronize(self.bench.device)
        member.book()

    # -- judging -------------------------------------------------------------------------------------------

    def judge_what_waits(self) -> None:
        """Judge what members have reported, and let probes look back at what was judged last."""
        if self.bench.judge.waiting:
            self.progress("judging", 0)
        stage = self.bench.stage
        for candidate, found in self.bench.judge.judge(stage.network, stage.recipe.judge_batch):
            member = self.members[candidate.member]
            note_judgement(member, candidate, found, self.headline, self.bench)
            if candidate.final:
                self.look_back(member, candidate)

    def look_back(self, member: Member, candidate: Candidate) -> None:
        """Let a member's probes look at the network that was judged, and at what it was judged on."""
        if not any("judged" in probe.moments for probe in member.trial.probes):
            return
        with guarded(member):
            self.bench.show(candidate)
            member.trial.look_back(*self.bench.judge.judged_on())

    # -- training ------------------------------------------------------------------------------------------

    def enter_trainings(self) -> None:
        """Put the members that ask for training under the regimes that they name. What one raises is its own."""
        for member in self.living():
            if isinstance(member.request, Train):
                start = time.perf_counter()
                with guarded(member):
                    member.trial.enter(member.request.regime)
                spend(member, time.perf_counter() - start)

    def groups(self, living: list[Member]) -> list[tuple[list[Member], int]]:
        """The members that can be trained together: same start, same end, same way, optimizers of the same age."""
        groups: dict[tuple[int, int, int, float | None, str, bool, int, tuple[int, ...]], list[Member]] = {}
        for member in living:
            request = member.request
            if isinstance(request, Train):
                until = member.trial.total_steps if request.until is None else request.until
                age = self.bench.stack.updates[member.index]
                goes_on = bool(request.masks) and self.bench.steppers.supermasks.goes_on(member.index)
                regime = id(self.bench.stack.regimes[member.index])  # equal ones are one object by now
                way = (request.average, request.masks, goes_on, regime, self.bench.stack.ages(member.index))
                groups.setdefault((member.trial.step, until, age, *way), []).append(member)
        return [(members, until) for (_, until, *_), members in groups.items()]

    def under_a_regime(self, members: list[Member]) -> bool:
        """Whether a group's steps are partly a plugin's: what that raises is no fault of the rest of the fleet."""
        return self.bench.stack.regimes[members[0].index] is not None

    def train_together(self, mine: list[Member], until: int) -> None:
        """Train a group to a step, let probes look on the way, and hand each member its curves."""
        start = time.perf_counter()
        requests = [request for member in mine if isinstance(request := member.request, Train)]
        together = [member.index for member in mine]
        stepper, part = self.bench.steppers.for_members(together, requests)
        stepper.keep_average(requests[0].average)
        first = part.steps[0]
        for member in mine:
            member.trial.set_out()
        seeds = [order_seed(member.cell.seed, request.order) for member, request in zip(mine, requests, strict=True)]
        phase = "drawing" if mine[0].drawing else "training"

        def look(step: int) -> None:
            self.put_back(together, part)
            for member in mine:
                self.look_on(member)

        log = train_stack(
            stepper,
            self.bench.stage.data,
            seeds,
            until,
            Goal(self.headline.metric, self.headline.higher_is_better),
            lambda steps: self.progress(phase, steps * len(mine)),
            {step for member in mine for step in member.trial.steps_to_look_at()},
            look,
        )
        self.put_back(together, part)
        synchronize(self.bench.device)
        looking = sum(member.trial.spent.looking for member in mine)
        share = (time.perf_counter() - start - looking) / len(mine)
        for at, member in enumerate(mine):
            member.request, member.trial.spent.looking = None, 0.0
            book_training(self.bench, member, part.steps[at] - first, share)
        hand_out(log, mine)

    def put_back(self, together: list[int], part: Stack) -> None:
        """Copy a part of the stack that was trained on its own back to its place."""
        if part is not self.bench.stack:
            self.bench.stack.put(together, part)

    def look_on(self, member: Member) -> None:
        """Let a member's probes look while it is trained."""
        if not member.status:
            with guarded(member):
                member.trial.look_at_step()

    # -- what all do at once ---------------------------------------------------------------------------------

    def go_on_together(self, living: list[Member]) -> None:
        """Do what all living members wait for. Tickets that were offered on the way are trained where they arrive."""
        start = time.perf_counter()
        bench, waiting = self.bench, [member.index for member in living]
        request = living[0].request
        assert isinstance(request, Together)
        if request.what == "shrink":
            shrink(bench, waiting)
        else:
            bench.offers = [offer for offer in bench.offers if offer.member in waiting]
            bench.move_on()
            for member in living:
                if member.cast.method.removes_units:
                    silence(bench, member.index)  # what the stage starts anew may speak again
            self.train_offers()
        for member in living:
            member.request = None
            spend(member, (time.perf_counter() - start) / len(living))

    def train_offers(self) -> None:
        """Train and judge the offered tickets: points of their cells' curves over densities."""
        bench, goal = self.bench, Goal(self.headline.metric, self.headline.higher_is_better)
        for offers, stepper, stack in bench.take_offers():
            owners = [self.members[offer.member] for offer in offers]
            seeds, count = [owner.cell.seed for owner in owners], len(owners)

            def advanced(done: int, count: int = count) -> None:
                self.progress("training", done * count)

            log = train_stack(stepper, bench.stage.data, seeds, bench.stage.total_steps, goal, advanced)
            for at, (offer, owner) in enumerate(zip(offers, owners, strict=True)):
                book_training(bench, owner, stack.steps[at], 0.0, offer.mask)
                if at in log.diverged:
                    name = f"offer diverged at density {offer.density:g}"
                    owner.trial.looks.findings.append(Finding("engine", "trained", name, float(log.diverged[at])))
                else:
                    bench.judge.take(Candidate(offer.member, offer.density, *stack.judged(at)))
            for candidate, found in bench.judge.judge(bench.stage.network, bench.stage.recipe.judge_batch):
                note_judgement(self.members[candidate.member], candidate, found, self.headline, bench)


@contextmanager
def guarded(*members: Member) -> Iterator[None]:
    """What a plugin raises ends these members' lives and no others'; a lack of memory is everybody's."""
    try:
        yield
    except Exception as error:
        if out_of_memory(error):
            raise
        for member in members:
            if member.status != "failed":
                member.fail(error)


def hand_out(log: Log, members: list[Member]) -> None:
    """Each member's points of the curves of a training, and whether it diverged."""
    for at, metric, step, value in log.points:
        split, _, name = metric.partition("/")
        member = members[at]
        member.curves.append(CurvePoint(split, "", name, member.round, "step", float(step), value))
    for at, step in log.diverged.items():
        members[at].status = "diverged"
        members[at].reason = f"the training loss was not finite by step {step}"


def order_seed(seed: int, order: int) -> int:
    """What the order of a training's examples is drawn from."""
    return seed if not order else seed_of(seed, "another order", order)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def lead(bench: Bench, headline: Headline, progress: Progress = silent, keep: bool = False) -> list[Member]:
    """Lead the lives of all cells of a bench, from their first weights to their judgement."""
    return FleetRun(bench, headline, progress).lead(lambda at, member: whole_life(at, member, keep))
