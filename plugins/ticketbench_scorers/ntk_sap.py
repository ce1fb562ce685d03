"""NTK-SAP: how much the trace of the neural tangent kernel depends on a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import OptionError, Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class NtkSap(Scorer):
    """s = |∂/∂c E‖f(X; c ⊙ θ) − f(X; c ⊙ (θ + Δ))‖²| at c = 1, with Δ ~ N(0, ε²) at every prunable weight.

    The mean over Δ of that squared distance is, to first order, ε² times the trace of the kernel ∇f·∇fᵀ by the
    weights that are left, which is its nuclear norm: a connection without which the kernel's spectrum changes little
    is pruned. f are all outputs, X a batch of N(0, 1) inputs ("normal", no data at all) or of training examples. Δ and
    X are drawn anew for each of `samples`. Divided by ε² and the examples; computed in float64.

    Meant for a few rounds (`iterative` with rounds = 20 and its exponential schedule is the paper's).
    Deviations: the paper draws new weights θ for every sample as well; here they are those of the cell, as for every
    other scorer. Biases and scales of norms are not perturbed. Inputs that are tokens have no normal draws: there
    "examples" must be asked for.
    """

    name = "ntk_sap"
    summary = "how much the trace of the neural tangent kernel changes with the connection"
    reference = "Wang et al. 2023 (NTK-SAP, arXiv 2304.02840), section 4"

    samples: int = option(1, "draws of Δ and X that are averaged", at_least=1)
    inputs: Literal["normal", "examples"] = option("normal", "what X is drawn from")
    batch: int = option(0, "inputs in a draw; 0 for the recipe's batch", at_least=0)
    epsilon: float = option(0.01, "standard deviation of Δ", at_least=1e-9)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """The sensitivity of the mean squared distance to every connection."""
        weights = {name: weight.double() for name, weight in trial.weights.items()}
        others = {name: part.double() for name, part in trial.parameters.items() if name not in weights}
        connections = {name: part.double().requires_grad_(True) for name, part in trial.mask.items()}
        draws = trial.generator("ntk_sap")
        total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for _ in range(self.samples):
            inputs = self.drawn(trial, draws)
            moved = {
                name: weight
                + self.epsilon * torch.randn(weight.shape, generator=draws, dtype=torch.float64).to(weight.device)
                for name, weight in weights.items()
            }
            first, second = (
                trial.outputs(inputs, others | {name: side[name] * connections[name] for name in side})
                for side in (weights, moved)
            )
            distance = (first - second).square().sum() / (self.epsilon**2 * len(inputs))
            found = torch.autograd.grad(distance, list(connections.values()), allow_unused=True, materialize_grads=True)
            for name, part in zip(total, found, strict=True):
                total[name] += part / self.samples
        return {name: part.abs() for name, part in total.items()}

    def drawn(self, trial: Trial, draws: torch.Generator) -> Tensor:
        """A batch of inputs."""
        examples = next(trial.batches(1, self.batch or None)).inputs
        if self.inputs == "examples":
            return examples.double() if examples.is_floating_point() else examples
        if not examples.is_floating_point():
            raise OptionError(
                f"'{self.name}' cannot draw normal inputs where they are {str(examples.dtype).removeprefix('torch.')}. "
                'What would work: inputs = "examples"'
            )
        return torch.randn(examples.shape, generator=draws, dtype=torch.float64).to(examples.device)
