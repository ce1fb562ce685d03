"""Draw tickets and stop there: no training after drawing, no judging, and so no test data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import check_device
from ticketbench.engine.life import advance, drawing, group, train_together
from ticketbench.engine.member import Member
from ticketbench.engine.network import set_precision
from ticketbench.engine.trial import Trial
from ticketbench.errors import TicketError
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.cell import Cell, ticket_facts
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Train
from ticketbench.suite.suite import Headline


def draw(
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    device: str = "cpu",
    progress: Callable[[str, int], None] = lambda phase, steps: None,
) -> list[Ticket]:
    """The tickets of cells that share a fleet, as a run would draw them."""
    check_device(torch.device(device))
    set_precision(cells[0].setting.precision)
    bench = Bench(cells, [resolver.cast(cell.setting) for cell in cells], torch.device(device))
    members = []
    for index, (cell, cast) in enumerate(zip(cells, bench.casts, strict=True)):
        member = Member(index, cell, cast, Trial(bench, index, cell.seed, cell.density, cast.scorer))
        member.life = draw_only(bench, member)
        members.append(member)
    while any(not member.status for member in members):
        for member in members:
            if not member.status and member.request is None:
                advance(bench, member)
        bench.waiting.clear()
        bench.offers.clear()
        waiting = [member.index for member in members if not member.status]
        for together, until in group(bench, members, waiting):
            train_together(bench, members, together, until, headline, progress)
    return [ticket_of(member) for member in members]


def draw_only(bench: Bench, member: Member) -> Iterator[Train]:
    """A life that ends with its ticket."""
    for request in drawing(bench, member):
        if not isinstance(request, Train):
            raise TicketError(f"the method yielded {request!r}; what it may yield is `trial.train(…)`")
        yield request
    start = bench.stack.snapshot(member.index)
    member.ticket = Ticket(member.trial.mask, start.weights | start.buffers)


def ticket_of(member: Member) -> Ticket:
    """A member's ticket, or a `TicketError` that says why there is none."""
    if member.ticket is None:
        raise TicketError(f"no ticket of row '{member.cell.setting.row}', seed {member.cell.seed}: {member.reason}")
    member.ticket.about = ticket_facts(member.cell, "ticket")
    return member.ticket
