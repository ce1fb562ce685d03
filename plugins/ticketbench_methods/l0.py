"""L0 regularisation: hard concrete gates on weights, with the number of open ones as a penalty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Noise, StepView, option
from ticketbench_methods.sought import Pressed, Sought, examples_of

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

GATE = "gate of "
"""What stands before a weight's name among the extras, for log α of its gates."""
BETA, LOW, HIGH = 2 / 3, -0.1, 1.1
"""β, γ and ζ of the hard concrete distribution, as in the paper."""
EDGE = 1e-6
"""How near uniform numbers may be to 0 and 1, where their logit has no value."""


@dataclass(frozen=True)
class HardConcrete(Pressed):
    """The forward sees θ·z with z = min(1, max(0, s·(ζ − γ) + γ)), s = σ((logit u + log α)/β) and u uniform."""

    closed: float = 0.1
    examples: int = 1

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """log α ~ N(logit(1 − closed), 0.01²)."""
        middle = math.log(1 - self.closed) - math.log(self.closed)
        drawn = {name: torch.randn(weights[name].shape, generator=generator) for name in self.names}
        return {f"{GATE}{name}": middle + 0.01 * part for name, part in drawn.items()}

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        """A uniform number for every gate."""
        return {name: Noise("uniform", tuple(weights[name].shape)) for name in self.names}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """Weights behind their gates; where the network is judged, behind those of s = σ(log α)."""
        found = {}
        for name in self.names:
            level = step.extras[f"{GATE}{name}"]
            if step.noise is not None:
                level = (step.noise[name].clamp(EDGE, 1 - EDGE).logit() + level) / BETA
            found[name] = step.weights[name] * (level.sigmoid() * (HIGH - LOW) + LOW).clamp(0, 1)
        return found

    def pressure(self, step: StepView) -> Tensor:
        """Σ P(z ≠ 0) = Σ σ(log α − β·log(−γ/ζ)), divided by the number of examples."""
        shift = BETA * math.log(-LOW / HIGH)
        parts = [(step.extras[f"{GATE}{name}"] - shift).sigmoid().sum() for name in self.names]
        return torch.stack(parts).sum() / self.examples


@dataclass(frozen=True)
class L0(Sought):
    """A hard concrete gate z on every weight: the forward sees θ·z, and λ/N·Σ P(z ≠ 0) is added to the loss.

    s = σ((log u − log(1 − u) + log α)/β) with u uniform, stretched to s·(ζ − γ) + γ and cut to [0, 1], gives z; β =
    2/3, γ = −0.1, ζ = 1.1, and P(z ≠ 0) = σ(log α − β·log(−γ/ζ)). θ and log α are trained; N is the number of examples,
    over which the loss is a mean. Where the network is judged, z = min(1, max(0, σ(log α)·(ζ − γ) + γ)), which is open
    where log α > log(−γ/ζ): a weight is worth log α − log(−γ/ζ). What λ has to do with the density, and what the cut
    is, is said of `Sought`.

    Deviations: the paper has a gate for each unit or filter, and counts its weights; here every weight has one, as in
    Gale et al. 2019 (arXiv 1902.09574), and gates begin open, `closed` = 0.1, as there (paper: 0.5 and 0.2). The
    paper draws gates for every example; here they are drawn once a batch. The weight decay is the recipe's, on θ, not
    the expected one of θ·z. `pace` is the factor on the learning rate of log α, 1 in the paper.
    """

    name = "l0"
    summary = "hard concrete gates on the weights, with the number of open ones as a penalty"
    reference = "Louizos et al. 2018 (arXiv 1712.01312), equations 10 to 13"

    closed: float = option(0.1, "the share of gates that is closed at first", at_least=0.001, at_most=0.999)

    def regime(self, trial: Trial) -> HardConcrete:
        """Gates on all prunable weights."""
        return HardConcrete(tuple(trial.mask), self.strength, self.pace, self.closed, examples_of(trial))

    def worth(self, trial: Trial) -> dict[str, Tensor]:
        """log α − log(−γ/ζ)."""
        extras = trial.extras
        return {name: extras[f"{GATE}{name}"] - math.log(-LOW / HIGH) for name in trial.mask}
