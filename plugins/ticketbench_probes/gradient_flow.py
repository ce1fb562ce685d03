"""Gradient flow: the decrease of the loss that a gradient step promises."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Probe, option
from ticketbench_probes.counted import counted, counted_stacked, read_together

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Split, Trial, TrialStack


@dataclass(frozen=True)
class GradientFlow(Probe):
    """∇Lᵀ∇L, to first order the decrease of the loss in a gradient step of length one.

    "total" sums the squared gradient over the live weights, "dense" over the pruned places too, where it says what
    growing them would promise. "norm" and "dense_norm" are the square roots; tensor by tensor on request
    ("total 1.weight"). L is the mean criterion over training examples, which are the same at every look,
    without augmentation, weight decay or another regulariser, in training mode as in the authors' code:
    batch norm takes the statistics of these examples.

    Deviations: the authors take the first training examples of the file, here the cell draws them; their sums include
    biases, here on request.
    """

    name = "gradient_flow"
    summary = "the squared gradient summed over live weights, and its norm, with and without the mask"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 3; Wang et al. 2020 (arXiv 2002.07376)"
    moments = ("drawn", "trained", "masked")

    examples: int = option(1000, "training examples the gradient is taken over", at_least=1)
    biases: bool = option(False, "count biases and other parameters that are never pruned too")
    per_tensor: bool = option(False, "the numbers of each tensor too")
    every: int = option(0, "steps between looks while the network trains; 0 for none", at_least=0)

    def steps(self, total: int) -> Collection[int]:
        """Every so often, from the start on."""
        return range(0, total + 1, self.every) if self.every else ()

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Sums of squares and their roots."""
        places = counted(trial, self.biases)
        gradient = gradient_at(trial, places, next(trial.batches(1, self.examples)))
        squares = {name: part.double().square() for name, part in gradient.items()}
        live = {name: float(part[places[name]].sum()) for name, part in squares.items()}
        dense = {name: float(part.sum()) for name, part in squares.items()}
        found = named("", sum(live.values()), sum(dense.values()))
        for name in squares if self.per_tensor else ():
            found |= named(f" {name}", live[name], dense[name])
        return found

    def measure_stacked(self, stack: TrialStack) -> Sequence[Mapping[str, float]]:
        """The same of several members, whose sums are read from the device together."""
        places, parameters = counted_stacked(stack, self.biases), stack.parameters
        gradient = stack.gradient(self.examples, {name: parameters[name] for name in places})
        sums = {}
        for name, part in gradient.items():
            squares = part.double().square()
            sums[name] = torch.stack([squares.where(places[name], 0).flatten(1).sum(1), squares.flatten(1).sum(1)], 1)
        return read_together(sums, self.per_tensor, named)


def named(of: str, live: float, dense: float) -> dict[str, float]:
    """Both sums and their roots."""
    return {
        f"total{of}": live,
        f"dense{of}": dense,
        f"norm{of}": math.sqrt(live),
        f"dense_norm{of}": math.sqrt(dense),
    }


def gradient_at(trial: Trial, names: Collection[str], batch: Split) -> dict[str, Tensor]:
    """∂L/∂θ of these parameters, pruned places included; zero where the loss does not depend on them."""
    parameters = trial.parameters
    leaves = {name: parameters[name].requires_grad_(True) for name in names}
    parts = torch.autograd.grad(
        trial.loss(batch, leaves), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, parts, strict=True))
