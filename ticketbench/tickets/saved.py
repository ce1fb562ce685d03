"""Probes on saved networks: a ticket or a solution put back into its cell, and looked at there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.precision import exact
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import OptionError, TicketError
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Points, Probe
from ticketbench.plugin.trial import Companion, Snapshot
from ticketbench.tickets.origin import build_network, cell_of


@dataclass(frozen=True)
class SeenBySaved:
    """What a probe found at a saved network."""

    probe: str
    name: str
    found: float | Points

    def to_plain(self) -> dict[str, Any]:
        """The probe's name and what it found, as plain data for JSON."""
        value = {"x_name": self.found.x_name, "points": self.found.values} if isinstance(self.found, Points) else None
        return {"probe": self.probe, "name": self.name, **(value or {"value": self.found})}


def look(path: str, tickets: Mapping[str, Ticket], probes: Sequence[Probe], resolver: Resolver) -> list[SeenBySaved]:
    """What probes find at one of some saved networks; the others are companions, by their files' names.

    A solution's origin is the ticket of the same cell, where it is among them, and otherwise itself. What is looked at
    is the training split of the task where the network was drawn, or trained, if it is a solution. A probe that needs
    the judged examples is told that there are none.
    """
    trial = stand(path, tickets, probes, resolver)
    with exact():
        return [
            SeenBySaved(probe.name, name, found)
            for probe in probes
            for name, found in probe.measure(trial.onlooker(probe.name)).items()
        ]


def stand(path: str, tickets: Mapping[str, Ticket], probes: Sequence[Probe], resolver: Resolver) -> MemberTrial:
    """A trial of the cell that a ticket came from, with the ticket's mask, weights and statistics."""
    ticket = tickets[path]
    build_network(ticket, path, resolver)  # or it says what is wrong with the file
    cell = cell_of(ticket)
    resolver.require_data([cell.setting])
    cast = replace(resolver.cast(cell.setting), probes=tuple(probes))
    if cast.method.removes_units:
        raise TicketError(f"{path}: method '{cast.method.name}' removes units: a file is no network of its cell then")
    bench = Bench([cell], [cast], torch.device("cpu"))
    while bench.ahead and ticket.about.get("kind") == "solution":
        bench.move_on()
    if set(ticket.mask) != set(bench.stack.masks):
        raise TicketError(f"{path}: it masks {', '.join(ticket.mask)}; its cell prunes {', '.join(bench.stack.masks)}")
    trial = MemberTrial(bench, 0)
    trial.set_mask(ticket.mask)
    trial.rewind(snapshot_of(trial, ticket))
    for other, companion in tickets.items():
        if other == path:
            continue
        if companion.about.get("key") == cell.key and companion.about.get("kind") == "ticket":
            trial.start_from({name: companion.weights[name] for name in trial.parameters})
        statistics = set(trial.snapshot().buffers)
        buffers = {name: part for name, part in companion.weights.items() if name in statistics}
        weights = {name: part for name, part in companion.weights.items() if name not in statistics}
        trial.meet(other, Companion(weights, buffers, companion.mask))
    return trial


def snapshot_of(trial: MemberTrial, ticket: Ticket) -> Snapshot:
    """A ticket's tensors as weights and statistics at step 0."""
    now = trial.snapshot()
    weights = {name: ticket.weights[name] for name in now.weights}
    return Snapshot(weights, {name: ticket.weights.get(name, part) for name, part in now.buffers.items()}, 0)


def probe_of(text: str, resolver: Resolver) -> Probe:
    """A probe as the command line names it: `name`, or `name {"option": value}`."""
    name, _, options = text.strip().partition(" ")
    try:
        values = json.loads(options or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise OptionError(f"--probe {text}: options are written as JSON, such as '{name} {{\"examples\": 100}}'")
    probe: Probe = resolver.item("probe", name, values, f"--probe {name}")
    return probe
