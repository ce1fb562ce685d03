"""How the connections that are left share out over gates, and over inputs and recurrence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Probe
from ticketbench_probes.layer import kept_by_role

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class GateBalance(Probe):
    """The share of each gate in all connections that a recurrent layer has left, and input over hidden connections.

    "GATE" is the gate's share, and "GATE from ROLE" its part from the inputs, the hidden state or the memory
    (peephole): either kind adds up to one. "input to hidden" divides the number of connections left from the inputs
    by that from the hidden state; a dense layer has features / hidden, 28 / 400 = 0.07 for rows of 28 pixels and 400
    units. Connections from the memory count for neither. Where nothing is left to divide by, a number is left out.
    """

    name = "gate_balance"
    summary = "the share of remaining connections by gate, and their ratio of input to recurrent ones"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), Figure 1"
    moments = ("drawn", "trained", "reported")

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """The share of each gate, its parts by role, and the ratio of input to hidden connections."""
        network, kept = kept_by_role(trial, self.name)
        counts = {  # role -> connections of each gate
            role: [int(block.sum()) for block in torch.split(part, network.hidden)] for role, part in kept.items()
        }
        left = {role: sum(gates) for role, gates in counts.items()}
        total, found = sum(left.values()), {}
        for at, gate in enumerate(network.gates if total else ()):
            found[gate] = sum(gates[at] for gates in counts.values()) / total
            found |= {f"{gate} from {role}": gates[at] / total for role, gates in counts.items()}
        if left["hidden"]:
            found["input to hidden"] = left["input"] / left["hidden"]
        return found
