"""The life of a cell: a generator that stops wherever it waits for the fleet.

What a life does itself (methods, scorers, probes) is computed in full float32; what it waits for is not.

It can begin in the middle: at the request that its member had come to when a checkpoint was made, which it yields
again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ticketbench.engine.bench import Bench, synchronize
from ticketbench.engine.journal import ReplayError, recorded
from ticketbench.engine.member import Member, Together
from ticketbench.engine.precision import exactly
from ticketbench.engine.shrinking import check_fresh, silence
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import TicketError
from ticketbench.masks.scopes import kept_count
from ticketbench.masks.ticket import Ticket, collapsed_layers, density_of
from ticketbench.plan.fitting import check_left
from ticketbench.plugin.request import Prune, Remask, Request, Train

Life = Iterator[Request | Together]


@exactly
def whole_life(bench: Bench, member: Member, keep: bool) -> Life:
    """One cell from its first weight to its judgement; `keep` has it hold on to its ticket and its solution."""
    trial, cast = member.trial, member.cast
    if not member.passed:
        if not member.asked:
            trial.look("started")
        yield from drawing(bench, member)
        member.ticket = ticket_at_hand(bench, member) if keep else None
        synchronize(bench.device)
        member.book()
        trial.look("drawn")
        member.drawing, member.drawn, member.draw_flops = False, trial.mask, trial.spent.flops
        if cast.method.removes_units:
            check_fresh(bench, member.index)
    requests = after_drawing(bench, member)
    for number in range(max(1, member.passed), len(requests) + 1):
        member.passed = number
        yield requests[number - 1]
    bench.stack.check()
    trial.look("trained")
    trial.look("reported")
    bench.report(member.index, density_of(member.drawn), final=True)
    end = bench.judge.waiting[-1]
    if keep:
        mask, state = trial.mask, end.parameters | end.buffers
        member.solution = Ticket(bench.full_size(member.index, mask), bench.full_size(member.index, state))
    collapsed = collapsed_layers(trial.mask)
    if collapsed:
        member.status, member.reason = "collapsed", f"no weight is left in {', '.join(collapsed)}"


def after_drawing(bench: Bench, member: Member) -> list[Train | Together]:
    """What a cell waits for once its ticket is drawn, in order."""
    requests: list[Train | Together] = [Together("move on")] if bench.stages.trains_elsewhere else []
    if bench.stages.adapt:
        requests += [Train(), Together("move on")]
    if member.cast.method.removes_units:  # last: what a stage takes over must have the shapes of the model
        requests.append(Together("shrink"))
    return [*requests, Train()]


@exactly
def life_until_drawn(bench: Bench, member: Member) -> Life:
    """One cell from its first weight to its ticket: nothing is trained afterwards, and nothing is judged."""
    yield from drawing(bench, member)
    member.ticket = ticket_at_hand(bench, member)


def ticket_at_hand(bench: Bench, member: Member) -> Ticket:
    """A member's mask with the weights and statistics that it starts from."""
    start = bench.stack.snapshot(member.index)
    return Ticket(member.trial.mask, start.weights | start.buffers)


def drawing(bench: Bench, member: Member) -> Iterator[Request]:
    """The part of a life that draws: the method, and an initializer that waits for the first mask.

    A member that has a journal is recorded. Where it has come to a request before, it is led there by the journal.
    """
    trial, cast, journal = member.trial, member.cast, member.journal
    check_left(trial.density, trial.total_weights, cast.model.name)
    given = None if journal is None else recorded(trial, journal)
    before, number = member.asked, 0
    for number, request in enumerate(cast.method.draw(given or trial) or (), 1):
        if not isinstance(request, Train | Remask | Prune):
            raise TicketError(
                f"the method yielded {request!r}; what it may yield is `trial.train(…)`, `trial.remask(…)` or "
                "`trial.pruning(…)`"
            )
        member.note_request(request)
        if number > before and isinstance(request, Train):
            trial.settle()
        member.asked = max(before, number)
        if given is not None:
            given.hand_over()
        if number == before and journal is not None:
            journal.arrive()
        if number >= before:
            yield request
        if given is not None:
            given.take_back()
    if number < before:
        raise ReplayError(f"the method ended after {number} requests, where it had come to number {before} before")
    bench.fold(member.index)
    check_density(trial, cast.method.removes_units)
    trial.settle()
    if cast.method.removes_units:
        silence(bench, member.index)


def check_density(trial: MemberTrial, removes_units: bool = False) -> None:
    """A method must have kept exactly as many weights as its density says; at most, if it removes whole units."""
    target = kept_count(trial.density, trial.total_weights)
    kept = sum(int(mask.sum()) for mask in trial.mask.values())
    if kept > target or (kept < target and not removes_units):
        raise TicketError(
            f"the method left {kept} of {trial.total_weights} weights; density {trial.density:g} means {target}"
        )
