"""SynFlow: synaptic flow, without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Synflow(Scorer):
    """s = |θ · ∂R/∂θ|, where R is the sum of the outputs of a network of absolute parameters for an input of ones.

    biases: "absolute" = every parameter is made absolute, weights and biases (the shifts of norms, too), as in the
    authors' code: what a bias adds flows on, so that the scores of later layers are larger by it. "zero" = R is the
    paper's 1ᵀ (Π_l |θ_l|) 1, which has no biases: the scores of every layer of a feed-forward network then add up to
    the same number. Biases are never scored, and in networks without any (or with zeros) both are the same.

    Computed in float64 and evaluation mode. R of a recurrent network grows with every iteration (10^191 at
    30 iterations of a DT-Net of width 400), past float32 at the sixth. The network itself is not touched. Meant
    for many rounds (`iterative` with 100 rounds, the paper's setting); one round tends to collapse layers.

    Deviation: the authors' code makes the running statistics of norms absolute as well; here they stay as they are,
    which is the same at initialization, where means are 0 and variances 1.
    """

    name = "synflow"
    summary = "how much flow passes through the connection when every weight is its absolute value; no data"
    reference = "Tanaka et al. 2020 (arXiv 2006.05467), Eq. 3"

    biases: Literal["absolute", "zero"] = option("absolute", "biases as |b|, or left out of the flow")

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|θ · ∂R/∂θ| of every prunable weight, in float64."""
        linear = {name: parameter.double().abs() for name, parameter in trial.parameters.items()}
        if self.biases == "zero":
            linear |= {name: torch.zeros_like(size) for name, size in linear.items() if is_bias(name, size)}
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
