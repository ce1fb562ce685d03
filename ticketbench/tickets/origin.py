"""Where a ticket came from, and the network that it belongs to, built again from what it says about itself.

A ticket file may come from anywhere: what it says is data, checked before it is used and cleaned before it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ticketbench.errors import TicketbenchError, TicketError
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.cell import Cell, make_cell
from ticketbench.plan.resolve import Resolver

LONGEST_FOREIGN = 300
"""Characters of a foreign text that are shown."""


def cell_of(ticket: Ticket) -> Cell:
    """The cell that a ticket came from; its key must be the hash of its definition."""
    try:
        cell = Cell.from_plain(ticket.about["definition"])
        known = make_cell(cell.setting, cell.setting.text(), cell.density, cell.seed)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise TicketError("it does not say which cell it came from. Draw it again.") from None
    if known.key != cell.key:
        raise TicketError("its cell's key is not the hash of its definition: another version, or it was changed")
    return cell


def network_of(ticket: Ticket, resolver: Resolver) -> nn.Module:
    """The network of a ticket's cell with the ticket's weights and statistics, in evaluation mode."""
    setting = cell_of(ticket).setting
    model = resolver.chosen("model", setting.model)
    protocol, task = resolver.chosen("protocol", setting.protocol), resolver.chosen("task", setting.task)
    stages = protocol.stages(task, resolver.find_task)
    last = stages.adapt.task if stages.adapt else stages.train_on
    shapes = (last if ticket.about.get("kind") == "solution" else stages.draw_on).shapes()
    with torch.device("meta"):  # no memory for what the file does not hold
        planned = model.build(shapes)
    check_tensors(planned, ticket.weights)
    module: nn.Module = model.build(shapes)
    module.load_state_dict(state_dict_of(module, ticket.weights))
    return module.eval()


def state_dict_of(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict for a module: a parameter that goes by two names is in the ticket by the first."""
    owners: dict[int, str] = {}
    for name, part in (*named_tensors(module, True), *named_tensors(module, False)):
        owners.setdefault(id(part), name)
    parts = dict(named_tensors(module, False))
    return {name: tensors[owners[id(parts[name])]] for name in module.state_dict()}


def named_tensors(module: nn.Module, once: bool) -> list[tuple[str, Tensor]]:
    """Parameters and buffers by name, shared ones once or by every name."""
    return [*module.named_parameters(remove_duplicate=once), *module.named_buffers(remove_duplicate=once)]


def check_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """The tensors are what the module needs, or a `TicketError` names the first that is not."""
    needed = dict(named_tensors(module, True))
    for name in tensors:
        if name not in needed:
            raise TicketError(f"it holds '{name}', which the network of its cell does not have")
    state = module.state_dict()
    for name, part in needed.items():
        if name in tensors and tensors[name].shape != part.shape:
            found, wanted = tuple(tensors[name].shape), tuple(part.shape)
            raise TicketError(f"its '{name}' has shape {found}, in the network of its cell {wanted}")
        if name not in tensors and name in state:
            raise TicketError(f"it lacks '{name}', which the network of its cell has. Draw it again.")


def load_ticket(path: str) -> Ticket:
    """A ticket from a file; the error's text is safe to print, whatever the file's names are."""
    try:
        return Ticket.load(path)
    except TicketbenchError as error:
        raise TicketError(readable_text(error)) from None


def build_network(ticket: Ticket, path: str, resolver: Resolver) -> nn.Module:
    """`network_of` for a file; the one error says which file, and what is wrong with it."""
    try:
        return network_of(ticket, resolver)
    except Exception as error:  # what a plugin raises over foreign options is the file's fault
        raise TicketError(f"{path}: its network cannot be built: {readable_text(error)}") from error


def readable_text(foreign: object) -> str:
    """A foreign text on one line, without anything a terminal would act on."""
    text = str(foreign)
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[:LONGEST_FOREIGN])
    return shown + ("…" if len(text) > LONGEST_FOREIGN else "")
