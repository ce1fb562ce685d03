"""What can be seen of a ticket without building its network: densities, dead units, origin, likeness to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from torch import Tensor

from ticketbench.errors import TicketError
from ticketbench.masks.ticket import Ticket, density_of
from ticketbench.tickets.origin import cell_of, readable_text
from ticketbench.tickets.overlap import chance_overlap, overlap


def inspect(path: str, ticket: Ticket) -> dict[str, Any]:
    """A ticket as plain data, every foreign text made readable."""
    return {
        "file": readable_text(path),
        "origin": origin_in_words(ticket),
        "kept": sum(int(part.sum()) for part in ticket.mask.values()),
        "prunable": sum(part.numel() for part in ticket.mask.values()),
        "density": density_of(ticket.mask),
        "parameters": sum(part.numel() for part in ticket.weights.values()),
        "bytes": Path(path).stat().st_size,
        "layers": [inspected_layer(readable_text(name), part) for name, part in ticket.mask.items()],
    }


def inspected_layer(name: str, mask: Tensor) -> dict[str, Any]:
    """A layer's counts: units without an incoming weight, and inputs that no unit reads."""
    rows = mask.reshape(len(mask), -1) if mask.ndim else mask.reshape(1, 1)
    columns = mask.any(dim=0).reshape(mask.shape[1], -1).any(dim=1) if mask.ndim > 1 and mask.numel() else mask[:0]
    kept = int(mask.sum())
    return {
        "name": name,
        "shape": list(mask.shape),
        "kept": kept,
        "size": mask.numel(),
        "density": kept / max(1, mask.numel()),
        "units": len(rows),
        "unreached": int((~rows.any(dim=1)).sum()),
        "inputs": columns.numel(),
        "unread": int((~columns).sum()),
        "collapsed": mask.numel() > 0 and not kept,
    }


def origin_in_words(ticket: Ticket) -> dict[str, str]:
    """Where a ticket says it came from; a note where it does not."""
    kind = readable_text(ticket.about.get("kind", "unknown"))
    try:
        cell = cell_of(ticket)
    except TicketError as error:
        return {"kind": kind, "cell": f"unknown: {error}"}
    setting = cell.setting
    parts = {
        "kind": kind,
        "key": cell.key,
        "suite": f"{setting.suite} {setting.suite_version}, {setting.tier}",
        "row": setting.row,
        "method": setting.method,
        "scorer": setting.scorer or "none",
        "model": setting.model,
        "task": setting.task,
        "protocol": setting.protocol,
        "initializer": setting.initializer,
        "density": f"{cell.density!r}",
        "seed": f"{cell.seed!r}",
    }
    return {name: readable_text(part) for name, part in parts.items()}


def compare_tickets(tickets: Mapping[str, Ticket]) -> list[dict[str, Any]]:
    """Every pair of tickets: how alike their masks are, and what chance would give."""
    found = []
    for (first, mine), (second, theirs) in combinations(tickets.items(), 2):
        try:
            pair = {"overlap": overlap(mine.mask, theirs.mask), "chance": chance_overlap(mine.mask, theirs.mask)}
        except TicketError as error:
            raise TicketError(f"{readable_text(first)} and {readable_text(second)}: {readable_text(error)}") from None
        found.append(
            {"first": readable_text(first), "second": readable_text(second)}
            | {name: asdict(part) for name, part in pair.items()}
        )
    return found
