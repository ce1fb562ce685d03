"""How far solutions lie from one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from ticketbench import Probe, TicketError, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

    State = Mapping[str, Tensor]

OWN = ("start", "end")
"""What this network's start and end are called among its companions."""


@dataclass(frozen=True)
class SolutionDistances(Probe):
    """‖θ_A − θ_B‖₂ for any two of the companions, this network's start and its end, as "A | B".

    θ is the prunable weights that this network's mask keeps; what another network has pruned of them counts as zero,
    and what it keeps elsewhere does not count. Among networks of one mask this is the distance over all prunable
    weights. "start" is where this network's present training began, "end" is the network as it is; companions have
    their own names. In the paper's setting they are {Prune, LT, Scratch} × {start, end}, and a figure of kind "map"
    draws the distances in two dimensions.
    """

    name = "solution_distances"
    summary = "the L2 distance between any two of the companions, the start and the end"
    reference = "Evci et al. 2022 (arXiv 2010.03533), on lottery tickets"
    moments = ("trained",)

    unpruned: bool = option(False, "over the parameters that are never pruned, too: biases and normalization")

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """The distance of every two networks, each pair once."""
        taken = [name for name in trial.companions if name in OWN]
        if taken:
            raise TicketError(
                f"the companion '{taken[0]}' has the name of this network's own {taken[0]}: "
                f"keep it under another one, such as 'prune {taken[0]}'"
            )
        networks = {name: companion.weights for name, companion in trial.companions.items()}
        mask, own = trial.mask, trial.parameters
        networks |= {"start": trial.origin, "end": own}
        names = list(own if self.unpruned else mask)
        for called, network in networks.items():
            for name in names:
                if name not in network or network[name].shape != own[name].shape:
                    raise TicketError(
                        f"'{called}' and this network have no distance: their '{name}' are not of one shape. "
                        f"Leave solution_distances out where a network is kept on one task and trained on another."
                    )
        return {
            f"{one} | {other}": distance(networks[one], networks[other], mask, names)
            for one, other in combinations(networks, 2)
        }


def distance(one: State, other: State, mask: State, names: list[str]) -> float:
    """‖one − other‖₂ over some parameters, under a mask where they have one."""
    total = 0.0
    for name in names:
        squares = (one[name].double() - other[name].double()).square()
        total += float((squares * mask[name]).sum() if name in mask else squares.sum())
    return float(total**0.5)
