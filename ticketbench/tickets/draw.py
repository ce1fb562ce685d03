"""Draw tickets and stop there: no training after drawing, no judging, and so no test data."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import check_device
from ticketbench.engine.fleet_run import FleetRun, Progress, silent
from ticketbench.engine.life import life_until_drawn
from ticketbench.engine.member import Member
from ticketbench.engine.precision import set_precision
from ticketbench.errors import TicketError
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.cell import Cell, ticket_facts
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import Headline


def draw_tickets(
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    device: str = "cpu",
    progress: Progress = silent,
) -> list[Ticket]:
    """The tickets of cells that share a fleet, as a run would draw them."""
    check_device(torch.device(device))
    set_precision(cells[0].setting.precision)
    bench = Bench(cells, [resolver.cast(cell.setting) for cell in cells], torch.device(device))
    bench.judge.closed = True
    return [ticket_of(member) for member in FleetRun(bench, headline, progress).lead(life_until_drawn)]


def ticket_of(member: Member) -> Ticket:
    """A member's ticket, or a `TicketError` that says why there is none."""
    if member.ticket is None:
        raise TicketError(f"no ticket of row '{member.cell.setting.row}', seed {member.cell.seed}: {member.reason}")
    member.ticket.about = ticket_facts(member.cell, "ticket")
    return member.ticket
