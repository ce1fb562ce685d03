"""The life of a cell, and how a fleet's lives are led in lock-step.

Each life is a generator that stops wherever training is needed. The engine advances all of them, trains the
members that asked for the same stretch together, judges what they reported, and goes on until all have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

from ticketbench.engine.bench import Bench, Report, synchronize
from ticketbench.engine.member import Member, Together, book_training, note_judgement, spend
from ticketbench.engine.shrinking import check_fresh, shrink, silence
from ticketbench.engine.train import Goal, train
from ticketbench.engine.trial import Trial
from ticketbench.errors import TicketError
from ticketbench.masks.scopes import kept_count
from ticketbench.masks.ticket import Ticket, collapsed_layers, density_of
from ticketbench.plugin.contracts import Train
from ticketbench.seeds import seed_of
from ticketbench.store.schema import CurvePoint, Finding
from ticketbench.suite.suite import Headline


def lead(bench: Bench, headline: Headline, progress: Callable[[str, int], None], keep: bool) -> list[Member]:
    """Lead all lives of a fleet to their end."""
    members = []
    for index, (cell, cast) in enumerate(zip(bench.cells, bench.casts, strict=True)):
        member = Member(index, cell, cast, Trial(bench, index, cell.seed, cell.density, cast.scorer))
        member.life = live(bench, member, keep)
        members.append(member)
    while True:
        for member in members:
            if not member.status and member.request is None:
                advance(bench, member)
        if bench.waiting:
            progress("judging", 0)
        for report, found in bench.judge():
            note_judgement(members[report.member], report, found, headline, bench)
            if report.final:
                look_back(bench, members[report.member], report)
        waiting = [index for index, member in enumerate(members) if not member.status]
        if not waiting:
            return members
        trainings = group(bench, members, waiting)
        if not trainings:
            go_on_together(bench, members, waiting, headline, progress)
        for together, until in trainings:
            train_together(bench, members, together, until, headline, progress)


def live(bench: Bench, member: Member, keep: bool) -> Iterator[Train | Together]:
    """One cell from its first weight to its judgement."""
    trial, cast = member.trial, member.cast
    trial.look("started")
    yield from drawing(bench, member)
    start = bench.stack.snapshot(member.index)
    member.ticket = Ticket(trial.mask, start.weights | start.buffers) if keep else None
    synchronize(bench.device)
    member.book()
    trial.look("drawn")
    member.drawing, member.drawn, member.draw_flops = False, trial.mask, trial.spent.flops
    if cast.method.removes_units:
        check_fresh(bench, member.index)
    if bench.stages.trains_elsewhere:
        yield Together("move on")
    if bench.stages.adapt:
        yield Train()
        yield Together("move on")
    if cast.method.removes_units:  # last: what a stage takes over must have the shapes of the model
        yield Together("shrink")
    yield Train()
    bench.stack.check()
    trial.look("trained")
    trial.look("reported")
    bench.report(member.index, density_of(member.drawn), final=True)
    end = bench.waiting[-1]
    if keep:
        mask, state = trial.mask, end.parameters | end.buffers
        member.solution = Ticket(bench.full_size(member.index, mask), bench.full_size(member.index, state))
    collapsed = collapsed_layers(trial.mask)
    if collapsed:
        member.status, member.reason = "collapsed", f"no weight is left in {', '.join(collapsed)}"


def drawing(bench: Bench, member: Member) -> Iterator[Train]:
    """The part of a life that draws: the method, and an initializer that waits for the first mask."""
    trial, cast = member.trial, member.cast
    for request in cast.method.draw(trial) or ():
        trial.settle()
        yield request
    check_density(trial, cast.method.removes_units)
    trial.settle()
    if cast.method.removes_units:
        silence(bench, member.index)


def check_density(trial: Trial, removes_units: bool = False) -> None:
    """A method must have kept exactly as many weights as its density says; at most, if it removes whole units."""
    target = kept_count(trial.density, trial.total_weights)
    kept = sum(int(mask.sum()) for mask in trial.mask.values())
    if kept > target or (kept < target and not removes_units):
        raise TicketError(
            f"the method left {kept} of {trial.total_weights} weights; density {trial.density:g} means {target}"
        )


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
        member.fail(error)
        bench.waiting = [report for report in bench.waiting if report.member != member.index]
    synchronize(bench.device)
    member.book()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def group(bench: Bench, members: list[Member], waiting: list[int]) -> list[tuple[list[int], int]]:
    """The members that can be trained together: same start, same end, optimizers of the same age."""
    groups: dict[tuple[int, int, int, float | None, str, bool], list[int]] = {}
    for index in waiting:
        request = members[index].request
        if isinstance(request, Train):
            trial = members[index].trial
            until = trial.total_steps if request.until is None else request.until
            goes_on = bool(request.masks) and bench.supermasks.goes_on(index)
            key = (trial.step, until, bench.stack.updates[index], request.average, request.masks, goes_on)
            groups.setdefault(key, []).append(index)
    return [(together, until) for (_, until, *_), together in groups.items()]


def train_together(
    bench: Bench,
    members: list[Member],
    together: list[int],
    until: int,
    headline: Headline,
    progress: Callable[[str, int], None],
) -> None:
    """Train a group to a step, let probes look on the way, and hand each member its curves."""
    start = time.perf_counter()
    requests = [request for index in together if isinstance(request := members[index].request, Train)]
    stepper, part = bench.stepper(together, requests[0].masks, [request.density for request in requests])
    stepper.keep_average(requests[0].average)
    first, mine = part.steps[0], [members[index] for index in together]
    for member in mine:
        member.trial.set_out()
    goal = Goal(headline.metric, headline.higher_is_better)
    seeds = [order_seed(member.cell.seed, request.order) for member, request in zip(mine, requests, strict=True)]
    phase = "drawing" if mine[0].drawing else "training"

    def look(step: int) -> None:
        if part is not bench.stack:
            bench.stack.put(together, part)
        for member in mine:
            look_on(member)

    log = train(
        stepper, bench.data, seeds, until, goal, lambda steps: progress(phase, steps * len(together)),
        {step for member in mine for probe in member.trial.probes for step in probe.steps(member.trial.total_steps)},
        look,
    )  # fmt: skip
    if part is not bench.stack:
        bench.stack.put(together, part)
    synchronize(bench.device)
    looking = sum(member.trial.spent.looking for member in mine)
    share = (time.perf_counter() - start - looking) / len(together)
    for at, metric, step, value in log.points:
        split, _, name = metric.partition("/")
        mine[at].curves.append(CurvePoint(split, "", name, mine[at].round, "step", float(step), value))
    for at, member in enumerate(mine):
        member.request, member.trial.spent.looking = None, 0.0
        book_training(bench, member, part.steps[at] - first, share)
        if at in log.diverged:
            member.status = "diverged"
            member.reason = f"the training loss was not finite by step {log.diverged[at]}"


def order_seed(seed: int, order: int) -> int:
    """What the order of a training's examples is drawn from."""
    return seed if not order else seed_of(seed, "another order", order)


def look_on(member: Member) -> None:
    """Let a member's probes look while it is trained."""
    if member.status:
        return
    try:
        member.trial.looks.at_step(member.trial)
    except Exception as error:
        if out_of_memory(error):
            raise
        member.fail(error)


def look_back(bench: Bench, member: Member, report: Report) -> None:
    """Let a member's probes look at the network that was judged, and at what it was judged on."""
    if not any("judged" in probe.moments for probe in member.trial.probes):
        return
    try:
        bench.show(report)
        member.trial.look_back(*bench.judged_on())
    except Exception as error:
        if out_of_memory(error):
            raise
        member.fail(error)


def go_on_together(
    bench: Bench, members: list[Member], waiting: list[int], headline: Headline, progress: Callable[[str, int], None]
) -> None:
    """Do what all living members wait for. Tickets that were offered on the way are trained where they arrive."""
    start = time.perf_counter()
    request = members[waiting[0]].request
    assert isinstance(request, Together)
    if request.what == "shrink":
        shrink(bench, waiting)
    else:
        bench.offers = [offer for offer in bench.offers if offer.member in waiting]
        bench.move_on()
        for index in waiting:
            if members[index].cast.method.removes_units:
                silence(bench, index)  # what the stage starts anew may speak again
        train_offers(bench, members, headline, progress)
    for index in waiting:
        members[index].request = None
        spend(members[index], (time.perf_counter() - start) / len(waiting))


def train_offers(bench: Bench, members: list[Member], headline: Headline, progress: Callable[[str, int], None]) -> None:
    """Train and judge the offered tickets: points of their cells' curves over densities."""
    goal = Goal(headline.metric, headline.higher_is_better)
    steps = bench.recipe.total_steps(len(bench.data.train))
    for offers, stepper, stack in bench.offered():
        owners = [members[offer.member] for offer in offers]
        seeds, count = [owner.cell.seed for owner in owners], len(owners)

        def advanced(done: int, count: int = count) -> None:
            progress("training", done * count)

        log = train(stepper, bench.data, seeds, steps, goal, advanced)
        for at, (offer, owner) in enumerate(zip(offers, owners, strict=True)):
            book_training(bench, owner, stack.steps[at], 0.0, offer.mask)
            if at in log.diverged:
                name = f"offer diverged at density {offer.density:g}"
                owner.trial.looks.findings.append(Finding("engine", "trained", name, float(log.diverged[at])))
            else:
                bench.waiting.append(Report(offer.member, offer.density, *stack.judged(at)))
        for report, found in bench.judge():
            note_judgement(members[report.member], report, found, headline, bench)
