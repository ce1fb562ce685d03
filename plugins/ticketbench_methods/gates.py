"""Gates on units: how the loss of each example depends on a factor at a unit's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.func import functional_call, grad, vmap

from ticketbench import Split
from ticketbench_methods.slices import in_double, training_slice

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Link, Trial

    Reduce = Callable[[Tensor], Tensor]
    Error = Callable[[Trial, Tensor, Split], Tensor]

PIECE = 50
"""Examples that go through the network together."""


@dataclass(frozen=True)
class GateSlopes:
    """∂E_e/∂α_u at α = 1 for examples e and units u, where α_u multiplies what others read of unit u.

    A factor at a unit's output is one at the columns of every weight that reads it, so that the slope is Σ a·∂E_e/∂a
    over all that is read: every position of a feature map, and every step of a recurrent layer.
    """

    links: Mapping[str, Link]
    examples: int
    error: Error
    """What is differentiated, of one example."""
    reduce: Reduce
    """(examples, units) -> (units,): what is added up over examples."""

    name = "gates"

    def score(self, trial: Trial) -> dict[str, Tensor]:
        """The mean over examples of the reduced slopes, for each producer of units, in float64."""
        module = trial.module.double().eval()
        rest = {name: part.detach() for name, part in (*module.named_parameters(), *module.named_buffers())}

        def error(gates: dict[str, Tensor], inputs: Tensor, target: Tensor) -> Tensor:
            one = Split(inputs.unsqueeze(0), target.unsqueeze(0))
            gated = {**rest, **self.gated(rest, gates)}
            return self.error(trial, functional_call(module, gated, (one.inputs,)), one)

        each = vmap(grad(error), in_dims=(None, 0, 0))
        open_gates = {
            name: torch.ones(link.units(len(rest[name])), dtype=torch.float64, device=trial.device)
            for name, link in self.links.items()
        }
        total = {name: torch.zeros_like(gates) for name, gates in open_gates.items()}
        seen = 0
        for piece in training_slice(trial, self.examples, PIECE):
            trial.bill(2.5, len(piece))  # forward and backward, with the gates' own products
            seen += len(piece)
            for name, slopes in each(open_gates, in_double(piece.inputs), piece.targets).items():
                total[name] += self.reduce(slopes)
        return {name: part / seen for name, part in total.items()}

    def gated(self, weights: Mapping[str, Tensor], gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights that read units, with a unit's factor at its columns."""
        found: dict[str, Tensor] = {}
        for name, link in self.links.items():
            for reader, positions in link.readers.items():
                weight = found.get(reader, weights[reader])
                columns = gates[name].repeat_interleave(positions)
                found[reader] = weight * columns.view(1, -1, *[1] * (weight.ndim - 2))
        return found
