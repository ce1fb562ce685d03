"""A ticket's network is built again from what it says about itself, and only if its tensors fit."""

from __future__ import annotations

import pytest
import torch
from places import STRANGER
from torch import nn

from ticketbench.errors import TicketError
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.tickets.draw import draw_tickets
from ticketbench.tickets.origin import cell_of, check_tensors, network_of, readable_text, state_dict_of


class Tied(nn.Module):
    """A weight under two names, a statistic, and a buffer that is not part of the state."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a ticket holds: each parameter and buffer once."""
    return {name: torch.rand(part.shape) for name, part in (*module.named_parameters(), *module.named_buffers())}


def test_a_shared_weight_is_loaded_under_both_names():
    """The state dict is whole, although the ticket has the weight once."""
    module, held = Tied(), tensors(Tied())
    check_tensors(module, held)
    module.load_state_dict(state_dict_of(module, held))
    assert module.second.weight is module.first.weight
    assert module.second.weight.equal(held["first.weight"])
    assert "second.weight" not in held
    assert module.norm.running_var.equal(held["norm.running_var"])


def test_tensors_that_do_not_fit_are_named():
    """One too many, one of another shape, one that is missing; a buffer outside the state may be missing."""
    held = tensors(Tied())
    del held["scratch"]
    check_tensors(Tied(), held)
    for change, message in (
        ({"third": torch.zeros(1)}, "it holds 'third'"),
        ({"first.bias": torch.zeros(4)}, r"'first.bias' has shape \(4,\), in the network of its cell \(3,\)"),
    ):
        with pytest.raises(TicketError, match=message):
            check_tensors(Tied(), held | change)
    del held["norm.running_mean"]
    with pytest.raises(TicketError, match=r"it lacks 'norm\.running_mean'"):
        check_tensors(Tied(), held)


def test_a_drawn_ticket_leads_back_to_its_cell_and_network(cells_of, tiny_suite):
    """The members of a fleet, each with its own mask and weights."""
    suite, cells = cells_of(tiny_suite(), methods=("magnitude",))
    resolver = Resolver(load_plugins([STRANGER]))
    drawn = draw_tickets(cells, resolver, suite.headline)
    assert [cell_of(ticket) for ticket in drawn] == list(cells)
    for ticket in drawn:
        module = network_of(ticket, resolver)
        assert not module.training
        assert all(part.equal(ticket.weights[name]) for name, part in module.named_parameters())
        assert sum(int(part.sum()) for part in ticket.mask.values()) == 36
    assert not drawn[0].mask["1.weight"].equal(drawn[1].mask["1.weight"])


def test_foreign_text_is_made_readable():
    """Nothing a terminal acts on, one line, not endless; letters of any language stay."""
    assert readable_text("Erdős \x1b[31m\x9b2J\n\u202e") == r"Erdős \x1b[31m\x9b2J\n\u202e"
    assert len(readable_text("a" * 10_000)) == 301
