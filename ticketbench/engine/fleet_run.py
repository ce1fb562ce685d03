"""A fleet's run: its lives, led in lock-step.

Each life is a generator that stops wherever training is needed. All of them are advanced, the members that asked for
the same stretch are trained together, what they reported is judged, and so on until all have ended.

Between any two steps there may be a pause, at which a `Pauses` may make a checkpoint: a group that is training then
goes on alone until one of it arrives, as it would have without the pause, before anything else is done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from ticketbench.engine.bench import Bench, synchronize
from ticketbench.engine.course import Course
from ticketbench.engine.energy import Meter
from ticketbench.engine.journal import Journal
from ticketbench.engine.judge import Candidate
from ticketbench.engine.life import Life, whole_life
from ticketbench.engine.member import Member, Together, book_training, note_judgement, spend
from ticketbench.engine.precision import exact
from ticketbench.engine.remask import change_masks, same_changes
from ticketbench.engine.shrinking import shrink, silence
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.stacked_looks import look_at_step
from ticketbench.engine.train import Goal, Log, Training, train_to_the_end
from ticketbench.engine.trial import MemberTrial
from ticketbench.plan.cell import Cell, check_one_stack
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.request import Prune, Remask, Train
from ticketbench.store.schema import CurvePoint, Finding
from ticketbench.suite.suite import Headline

Progress = Callable[[str, int], None]
"""Told of a phase and of training steps, added up over members."""
Begin = Callable[[Bench, Member], Life]
"""Makes the life that a member leads."""


Leave = Callable[[Sequence[Member]], None]


class Pauses(Protocol):
    """Who wants a pause now and then, in the middle of a fleet's run."""

    def due(self) -> bool:
        """Whether there is to be a pause, as soon as one can be; asked often."""
        ...

    def use(self, run: FleetRun) -> None:
        """The pause is here. Whatever is raised ends the run."""
        ...

    def journal(self) -> Journal | None:
        """A journal for a life that begins, if lives are to be led again."""
        ...


class NoPauses:
    """Nobody wants a pause."""

    def due(self) -> bool:
        """Never."""
        return False

    def use(self, run: FleetRun) -> None:
        """Nothing."""

    def journal(self) -> Journal | None:
        """None is needed."""
        return None


def silent(phase: str, steps: int) -> None:
    """Progress that nobody is told of."""


def remain(members: Sequence[Member]) -> None:
    """Nobody asks about members that leave."""


@dataclass
class FleetRun:
    """The lives of a fleet's cells, on one bench. Cells that find no seat at first wait until one becomes free."""

    bench: Bench
    headline: Headline
    progress: Progress = silent
    waiting: deque[tuple[Cell, Cast]] = field(default_factory=deque)
    """Cells without a seat yet."""
    leave: Leave = remain
    """Told of members whose lives have ended and who were judged, while their networks are still in their seats."""
    meter: Meter | None = None
    pauses: Pauses = field(default_factory=NoPauses)
    members: list[Member] = field(default_factory=list)
    """Everyone who has a seat, or had one."""
    occupants: dict[int, Member] = field(default_factory=dict)
    """Whoever has each seat now, or had it last."""
    training: list[list[Member]] = field(default_factory=list)
    """The groups that are still to be trained before anything else is done."""
    _gone: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Whoever goes on from a pause may find another cell at the first seat, and must read the same from it."""
        check_one_stack([*self.bench.cells, *(cell for cell, _ in self.waiting)])

    def lead(self, begin: Begin) -> list[Member]:
        """Begin every cell's life and lead all of them to their end, training together whoever waits for it."""
        for index, (cell, cast) in enumerate(zip(self.bench.cells, self.bench.casts, strict=True)):
            self.begin_life(begin, index, cell, cast)
        return self.go_on(begin)

    def go_on(self, begin: Begin) -> list[Member]:
        """Lead all lives that have begun, and those that wait for a seat, to their end."""
        try:
            while True:
                self.train_groups()
                if self.pauses.due():
                    self.pauses.use(self)
                for member in self.living():
                    if member.request is None:
                        self.advance(member)
                self.judge_what_waits()
                if self.hand_over(begin) or self.change_masks():
                    continue
                self.enter_trainings()
                living = self.living()
                if not living:
                    if self.hand_over(begin):
                        continue
                    return self.members
                self.training = self.groups(living)
                if not self.training:
                    self.go_on_together(living)
        finally:
            self.bench.close()

    def begin_life(self, begin: Begin, index: int, cell: Cell, cast: Cast) -> None:
        """A cell's life begins at a seat."""
        member = Member(index, cell, cast, MemberTrial(self.bench, index), journal=self.pauses.journal())
        member.life = begin(self.bench, member)
        self.members.append(member)
        self.occupants[index] = member

    def hand_over(self, begin: Begin) -> bool:
        """Let those go whose lives have ended, and give their seats to cells that wait; whether any began."""
        leaving = [at for at, member in enumerate(self.members) if member.status and at not in self._gone]
        if not leaving:
            return False
        self.share_energy(self.living() + [self.members[at] for at in leaving])
        self._gone |= set(leaving)
        self.leave([self.members[at] for at in leaving])
        begun = False
        for seat in [self.members[at].index for at in leaving]:
            if self.waiting and not self.bench.moved_on:
                cell, cast = self.waiting.popleft()
                self.bench.take_in(seat, cell, cast)
                self.begin_life(begin, seat, cell, cast)
                begun = True
        return begun

    def share_energy(self, members: Sequence[Member]) -> None:
        """Book what the card has consumed since the last time to those who were there."""
        used = self.meter.share(len(members)) if self.meter is not None else None
        if used is not None:
            for member in members:
                member.energy = (member.energy or 0.0) + used

    def staying(self) -> list[Member]:
        """The members that have a seat: whose lives have not ended, or who were not told of as leaving yet."""
        return [member for at, member in enumerate(self.members) if at not in self._gone]

    def living(self) -> list[Member]:
        """The members whose lives have not ended, by their seats."""
        return sorted((member for member in self.members if not member.status), key=lambda member: member.index)

    def advance(self, member: Member) -> None:
        """Run one life up to its next request. What a plugin raises ends this life and no other."""
        synchronize(self.bench.device)
        member.clock = time.perf_counter()
        member.under_way = False
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
        for judgement in self.bench.judge.judge(stage.network, stage.recipe.judge_batch, self.headline.chooses):
            member = self.occupants[judgement.candidate.member]
            note_judgement(member, judgement, self.headline, self.bench)
            if judgement.candidate.final:
                self.look_back(member, judgement.candidate)

    def look_back(self, member: Member, candidate: Candidate) -> None:
        """Let a member's probes look at the network that was judged, and at what it was judged on."""
        if not any("judged" in probe.moments for probe in member.trial.probes):
            return
        with guarded(member):
            self.bench.show(candidate)
            member.trial.look_back(*self.bench.judge.judged_on())

    # -- masks ---------------------------------------------------------------------------------------------

    def change_masks(self) -> bool:
        """Change the masks of all members that wait for it, those of one rule together; whether there were any."""
        waiting = [
            (member.trial, member.request) for member in self.living() if isinstance(member.request, Remask | Prune)
        ]
        for group in same_changes(self.bench, waiting):
            start, mine = time.perf_counter(), [self.occupants[trial.seat] for trial, _ in group]
            with guarded(*mine), exact():
                change_masks(self.bench, group, self.alone)
            looking = sum(member.trial.spent.looking for member in mine)
            for member in mine:
                member.request, member.trial.spent.looking = None, 0.0
                spend(member, (time.perf_counter() - start - looking) / len(mine))
        return bool(waiting)

    # -- training ------------------------------------------------------------------------------------------

    def enter_trainings(self) -> None:
        """Put the members that ask for training under the regimes that they name. What one raises is its own."""
        for member in self.living():
            if isinstance(member.request, Train):
                start = time.perf_counter()
                with guarded(member):
                    member.trial.enter(member.request.regime)
                spend(member, time.perf_counter() - start)

    def groups(self, living: list[Member]) -> list[list[Member]]:
        """The members that are trained together.

        Those at their live weights are by themselves. Plain trainings are together wherever their members stand; where
        a forward has keywords that are drawn for a step, they have to be at the same one; and so have those under a
        regime or with masks that are trained, whose ways and ends must be the same, too.
        """
        groups: dict[object, list[Member]] = {}
        for member in living:
            request, trial = member.request, member.trial
            if not isinstance(request, Train):
                continue
            way: tuple[object, ...] = ("plain",)
            if self.bench.steppers.is_sparse(member.index, request):
                way = ("sparse",)
            elif self.bench.stage.network.keywords.any:
                way = ("plain", trial.step)
            regime = self.bench.stack.regimes[member.index]
            if request.masks or regime is not None:
                goes_on = bool(request.masks) and self.bench.steppers.supermasks.goes_on(member.index)
                ages = (self.bench.stack.updates[member.index], self.bench.stack.ages(member.index))
                # equal regimes are one object by now
                way = (id(regime), trial.step, until_of(member), ages, request.average, request.masks, goes_on)
            groups.setdefault(way, []).append(member)
        return list(groups.values())

    def under_a_regime(self, members: list[Member]) -> bool:
        """Whether a group's steps are partly a plugin's: what that raises is no fault of the rest of the fleet."""
        return self.bench.stack.regimes[members[0].index] is not None

    def train_groups(self) -> None:
        """Train each group until one of its members arrives, with as many pauses as are wanted."""
        while self.training:
            members, arrived = self.training[0], True
            with guarded(*members) if self.under_a_regime(members) else nullcontext():
                arrived = self.train_together(members)
            if arrived:
                self.training.pop(0)
            if self.pauses.due():
                self.pauses.use(self)

    def train_together(self, mine: list[Member]) -> bool:
        """Train a group until one of its members arrives, let probes look on the way, and hand out the curves.

        False if there was a pause before that.
        """
        start = time.perf_counter()
        requests = [request for member in mine if isinstance(request := member.request, Train)]
        seats = [member.index for member in mine]
        courses = [self.course(member, request) for member, request in zip(mine, requests, strict=True)]
        stepper, given, copied = self.bench.steppers.for_members(seats, requests, courses)
        for member in mine:
            if not member.under_way:
                member.trial.set_out()
                member.under_way = True
        # where the stack of the stepper has a member: in the order of a copy, or where the fleet's has it
        at = {seat: number for number, seat in enumerate(seats)} if copied else {seat: seat for seat in seats}
        owners = {at[member.index]: member for member in mine}
        phase = "drawing" if mine[0].drawing else "training"

        def look(members: Sequence[int]) -> None:
            if copied:
                self.bench.stack.put(seats, stepper.stack)
            looking = [owners[number].trial for number in members if not owners[number].status]
            with exact():
                look_at_step(self.bench, looking, self.alone)

        def advanced(steps: int) -> None:
            self.progress(phase, steps)

        goal = Goal(self.headline.metric, self.headline.higher_is_better)
        before = {number: stepper.stack.steps[number] for number in owners}
        log = Training(stepper, self.bench.stage.data, given, goal, advanced, look).go(self.pauses.due)
        if copied:
            self.bench.stack.put(seats, stepper.stack)
        synchronize(self.bench.device)
        looking = sum(member.trial.spent.looking for member in mine)
        share = (time.perf_counter() - start - looking) / len(mine)
        over = bool(log.arrived or log.diverged)
        for number, member in owners.items():
            member.trial.spent.looking = 0.0
            if isinstance(stepper, SparseStepper):
                member.sparsely = True
            else:
                member.densely = True
            if number in log.arrived or number in log.diverged:
                member.request = None
            member.unbooked += stepper.stack.steps[number] - before[number]
            if over:  # at once, or sums would depend on pauses
                book_training(self.bench, member, member.unbooked, share)
                member.unbooked = 0
            else:
                spend(member, share)
        hand_out(log, owners)
        return over

    def course(self, member: Member, request: Train) -> Course:
        """The way that a member's request is carried out on."""
        plain = self.bench.course(member.index, request.order, until_of(member))
        return replace(plain, average=request.average, stops=frozenset(member.trial.steps_to_look_at()))

    def alone(self, trial: MemberTrial) -> AbstractContextManager[None]:
        """What one member does alone, among what several do together: what is raised is no fault of the others."""
        return guarded(self.occupants[trial.seat])

    # -- what all do at once ---------------------------------------------------------------------------------

    def go_on_together(self, living: list[Member]) -> None:
        """Do what all living members wait for. Tickets that were offered on the way are trained where they arrive."""
        start = time.perf_counter()
        bench, waiting = self.bench, [member.index for member in living]
        request = living[0].request
        assert isinstance(request, Together)
        if request.what == "shrink":
            before = self.before_shrinking(waiting)
            shrink(bench, waiting)
            bench.shrunk = before
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

    def before_shrinking(self, living: list[int]) -> dict[str, Any] | None:
        """What the smaller networks are made from, for whoever makes them again; None if nobody will."""
        if isinstance(self.pauses, NoPauses):
            return None
        stack = self.bench.stack
        states = {"parameters": stack.parameters, "buffers": stack.buffers, "masks": stack.masks}
        before = {kind: {name: part.detach().cpu() for name, part in state.items()} for kind, state in states.items()}
        return {"living": living, "before": before}

    def trained(self, steps: int) -> None:
        """Steps were taken, added up over members."""
        self.progress("training", steps)

    def train_offers(self) -> None:
        """Train and judge the offered tickets: points of their cells' curves over densities."""
        bench, goal = self.bench, Goal(self.headline.metric, self.headline.higher_is_better)
        for offers, stepper in bench.take_offers():
            owners = [self.occupants[offer.member] for offer in offers]
            courses: list[Course | None] = [bench.course(offer.member) for offer in offers]
            log = train_to_the_end(stepper, bench.stage.data, courses, goal, self.trained)
            stack = stepper.stack
            for at, (offer, owner) in enumerate(zip(offers, owners, strict=True)):
                book_training(bench, owner, stack.steps[at], 0.0, offer.mask)
                if at in log.diverged:
                    name = f"offer diverged at density {offer.density:g}"
                    owner.trial.looks.findings.append(Finding("engine", "trained", name, float(log.diverged[at])))
                else:
                    bench.judge.take(Candidate(offer.member, offer.density, *stack.judged(at)))
            batch = bench.stage.recipe.judge_batch
            for judgement in bench.judge.judge(bench.stage.network, batch, self.headline.chooses):
                note_judgement(self.occupants[judgement.candidate.member], judgement, self.headline, bench)


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


def until_of(member: Member) -> int:
    """The step that a member asks to be trained until."""
    assert isinstance(member.request, Train)
    return member.trial.total_steps if member.request.until is None else member.request.until


def hand_out(log: Log, members: Mapping[int, Member]) -> None:
    """Each member's points of the curves of a training, and whether it diverged."""
    for at, metric, step, value in log.points:
        split, _, name = metric.partition("/")
        member = members[at]
        member.curves.append(CurvePoint(split, "", name, member.round, "step", float(step), value))
    for at, step in log.diverged.items():
        members[at].status = "diverged"
        members[at].reason = f"the training loss was not finite by step {step}"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def lead(bench: Bench, headline: Headline, progress: Progress = silent, keep: bool = False) -> list[Member]:
    """Lead the lives of all cells of a bench, from their first weights to their judgement."""
    return FleetRun(bench, headline, progress).lead(lambda at, member: whole_life(at, member, keep))
