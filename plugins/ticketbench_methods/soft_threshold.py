"""STR: soft thresholds on the weights of each layer, trained beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import StepView, option
from ticketbench_methods.sought import Pressed, Sought

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

LEVEL = "level of "
"""What stands before a weight's name among the extras, for s of its layer."""


@dataclass(frozen=True)
class SoftThresholds(Pressed):
    """The forward sees sign(θ)·max(|θ| − σ(s), 0), with an s for every layer, which the penalty ½·Σs² pulls to 0."""

    start: float = -5.0

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """The same s for every layer, as it begins."""
        return {f"{LEVEL}{name}": torch.tensor(self.start) for name in self.names}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """What is left of each weight above its layer's threshold."""
        found = {}
        for name in self.names:
            weight = step.weights[name]
            found[name] = weight.sign() * (weight.abs() - step.extras[f"{LEVEL}{name}"].sigmoid()).relu()
        return found

    def pressure(self, step: StepView) -> Tensor:
        """½·Σ s², whose gradient is what weight decay adds."""
        return torch.stack([step.extras[f"{LEVEL}{name}"].square() for name in self.names]).sum() / 2


@dataclass(frozen=True)
class SoftThreshold(Sought):
    """The forward sees S(θ, s) = sign(θ)·ReLU(|θ| − σ(s)), where every layer has an s that is trained by ∂L/∂s.

    ∂L/∂θ is ∂L/∂S where |θ| is above the threshold σ(s), and 0 elsewhere; s gathers −σ'(s)·Σ sign(θ)·∂L/∂S of its
    layer. λ/2·Σs² is added to the loss: as weight decay of s it draws s from far below zero up to it, and thresholds
    rise. A weight is worth |θ| − σ(s). What λ has to do with the density, and what the cut is, is said of `Sought`.

    Deviations: in the paper λ is the decay of weights and of s alike, and with the start of s decides the density;
    here it is a strength of its own. There s starts from −3200 for convolutions that are trained for 100 epochs, and
    from −10, with an exponential in place of σ, for recurrent networks; here it starts from `start`, as a short
    schedule has no time to come from far. `pace` is the factor on the learning rate of s, 1 in the paper.
    """

    name = "str"
    summary = "soft thresholds on the weights of each layer, trained beside them"
    reference = "Kusupati et al. 2020 (arXiv 2002.03231), equations 3 to 7"

    strength: float = option(0.1, "λ, the decay of s", at_least=0.0)
    start: float = option(-5.0, "s of every layer as training begins")

    def regime(self, trial: Trial) -> SoftThresholds:
        """Thresholds on all prunable weights."""
        return SoftThresholds(tuple(trial.mask), self.strength, self.pace, self.start)

    def worth(self, trial: Trial) -> dict[str, Tensor]:
        """|θ| − σ(s)."""
        extras = trial.extras
        return {name: weight.abs() - extras[f"{LEVEL}{name}"].sigmoid() for name, weight in trial.weights.items()}
