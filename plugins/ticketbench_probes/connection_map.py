"""Which inputs and which units of a recurrent layer keep connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Points, Probe
from ticketbench_probes.layer import kept_by_role

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class ConnectionMap(Probe):
    """The margins of the layer's map of remaining connections: how many each input and each unit has left.

    "from ROLE" counts by column what reads an input ("from input"), a unit of the hidden state ("from hidden") or of
    the memory ("from peephole"), over all gates; "to unit" counts by unit what its gates read, all roles together. The
    points of either kind add up to the connections left. "unread ROLE" is the share of columns that nothing reads, and
    "unfed" that of units that read nothing.

    Deviation: the paper draws the map of the weights itself, place by place, with the gates side by side. That is
    the ticket's mask; here its margins are stored, and its gates are what `gate_balance` looks at.
    """

    name = "connection_map"
    summary = "the remaining connections of every input and of every unit of a recurrent layer"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), Figure 3"
    moments = ("drawn", "trained", "reported")

    def measure(self, trial: Trial) -> Mapping[str, float | Points]:
        """Counts by column and by unit, and the shares of those that have none."""
        network, kept = kept_by_role(trial, self.name)
        columns = {role: part.sum(0) for role, part in kept.items()}
        by_role = [part.sum(1).view(len(network.gates), network.hidden).sum(0) for part in kept.values()]
        units = torch.stack(by_role).sum(0)
        found: dict[str, float | Points] = {f"from {role}": points(role, counts) for role, counts in columns.items()}
        found |= {f"unread {role}": none(counts) for role, counts in columns.items()}
        found |= {"to unit": points("unit", units), "unfed": none(units)}
        return found


def points(what: str, counts: Tensor) -> Points:
    """A count at each index."""
    return Points(what, tuple((float(at), float(count)) for at, count in enumerate(counts.tolist())))


def none(counts: Tensor) -> float:
    """The share of counts that are zero."""
    return float((counts == 0).double().mean())
