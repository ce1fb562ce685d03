"""SynFlow: synaptic flow, without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Synflow(Scorer):
    """s = |θ · ∂R/∂θ| with R = 1ᵀ (Π_l |θ_l|) 1: the flow through a network of absolute weights, from ones.

    Computed in float64 and evaluation mode. R of a recurrent network grows with every iteration (10^191 at
    30 iterations of a DT-Net of width 400), past float32 at the sixth. Only parameters are made absolute, never
    statistics or masks, and the network itself is not touched. Biases are zero, as R has none, so that the scores
    of every layer of a feed-forward network add up to the same number; public code keeps |bias| instead. Meant
    for many rounds (`iterative` with 100 rounds, the paper's setting); one round tends to collapse layers.
    """

    name = "synflow"
    summary = "how much flow passes through the connection when every weight is its absolute value; no data"
    reference = "Tanaka et al. 2020 (arXiv 2006.05467), Eq. 3"

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|θ · ∂R/∂θ|."""
        linear = {
            name: torch.zeros_like(weight, dtype=torch.float64) if is_bias(name, weight) else weight.double().abs()
            for name, weight in trial.parameters.items()
        }
        leaves = {name: linear[name].requires_grad_(True) for name in trial.weights}
        ones = torch.ones((1, *trial.shapes.inputs), dtype=torch.float64, device=trial.device)
        flow = trial.outputs(ones, linear, training=False).sum()
        found = torch.autograd.grad(flow, list(leaves.values()), allow_unused=True, materialize_grads=True)
        return {
            name: (leaf * gradient).abs().detach() for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
        }


def is_bias(name: str, weight: Tensor) -> bool:
    """Whether a parameter is added rather than multiplied."""
    return weight.ndim == 1 and name.rpartition(".")[2].startswith("bias")
