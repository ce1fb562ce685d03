"""Sparse variational dropout: Gaussian noise on every weight, whose variance is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Noise, StepView, option
from ticketbench_methods.sought import Pressed, Sought, examples_of

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

VARIANCE = "log variance of "
"""What stands before a weight's name among the extras, for log σ²."""
K1, K2, K3 = 0.63576, 1.87320, 1.48695
"""The constants of the paper's approximation of the divergence."""
TINY = 1e-8
"""What is added to θ², which may be 0."""
CLIP = 8.0
"""log α is kept within ± this."""


def log_alpha(weight: Tensor, variance: Tensor) -> Tensor:
    """log α = log σ² − log θ², within bounds."""
    return (variance - (weight.square() + TINY).log()).clamp(-CLIP, CLIP)


def divergence(level: Tensor) -> Tensor:
    """KL(q‖p) of each weight by its log α: k₁ − k₁·σ(k₂ + k₃·log α) + ½·log(1 + 1/α)."""
    return K1 - K1 * (K2 + K3 * level).sigmoid() + torch.nn.functional.softplus(-level) / 2


@dataclass(frozen=True)
class Noisy(Pressed):
    """The forward sees θ + σ·ε with ε ~ N(0, 1); where it is judged, θ where log α is below the limit."""

    start: float = -6.0
    limit: float = 3.0
    warm: float = 0.25
    examples: int = 1

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """The same log σ² for every weight, as it begins."""
        return {f"{VARIANCE}{name}": torch.full_like(weights[name], self.start) for name in self.names}

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        """ε of every weight."""
        return {name: Noise("normal", tuple(weights[name].shape)) for name in self.names}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """Noisy weights, or those whose noise leaves something of them."""
        found = {}
        for name in self.names:
            weight, variance = step.weights[name], step.extras[f"{VARIANCE}{name}"]
            if step.noise is not None:
                found[name] = weight + (variance / 2).exp() * step.noise[name]
            else:
                found[name] = weight.where(log_alpha(weight, variance) < self.limit, 0)
        return found

    def pressure(self, step: StepView) -> Tensor:
        """Σ KL(q‖p), divided by the number of examples; less of it while the divergence is warming up."""
        levels = [log_alpha(step.weights[name], step.extras[f"{VARIANCE}{name}"]) for name in self.names]
        rising = (step.progress / self.warm).clamp(max=1)
        return rising * torch.stack([divergence(level).sum() for level in levels]).sum() / self.examples


@dataclass(frozen=True)
class VariationalDropout(Sought):
    """Every weight is θ + σ·ε with ε ~ N(0, 1); θ and log σ² are trained on the loss and λ/N·Σ KL(q‖p).

    With α = σ²/θ² and a log-uniform prior, KL = k₁ − k₁·S(k₂ + k₃·log α) + ½·log(1 + 1/α) up to a constant, S the
    logistic function, k = 0.63576, 1.87320, 1.48695; N is the number of examples, over which the loss is a mean. λ = 1
    is the variational bound. Where α is large, the weight is noise: it is kept where log α < `limit`, and is worth
    limit − log α. Where the network is judged, there is no noise, and weights at or above the limit are zero. What λ
    has to do with the density, and what the cut is, is said of `Sought`: it moves the limit to where the density is
    exact, as Gale et al. 2019 (arXiv 1902.09574) do. λ rises from 0 within the share `warm` of training.

    Deviations: the paper draws noise on a layer's outputs, for each example (local reparametrisation); here ε is drawn
    for the weights, once a batch, for all layers alike. Lobacheva et al. do that for recurrent weights, where one draw
    must serve all steps of a sequence. log α is kept within ±8, as in the authors' code, where log σ² begins at −10; a
    short schedule has no time to come from there. `pace` is the factor on the learning rate of log σ², 1 in the papers.
    """

    name = "variational_dropout"
    summary = "Gaussian noise on every weight with a trained variance; what is noise alone goes"
    reference = (
        "Molchanov et al. 2017 (arXiv 1701.05369), equations 13 and 14; "
        "recurrent networks: Lobacheva et al. 2017 (arXiv 1708.00077)"
    )

    start: float = option(-6.0, "log σ² of every weight as training begins")
    limit: float = option(3.0, "the log α from which a weight is noise", at_least=-7.0, at_most=7.0)
    warm: float = option(0.25, "share of training in which λ rises to its strength", at_least=0.001, at_most=1.0)

    def regime(self, trial: Trial) -> Noisy:
        """Noise on all prunable weights."""
        names = tuple(trial.mask)
        return Noisy(names, self.strength, self.pace, self.start, self.limit, self.warm, examples_of(trial))

    def worth(self, trial: Trial) -> dict[str, Tensor]:
        """limit − log α; of two whose α is out of bounds, the one with the larger |θ| and less noise first."""
        extras = trial.extras
        return {
            name: self.limit + (weight.square() + TINY).log() - extras[f"{VARIANCE}{name}"]
            for name, weight in trial.weights.items()
        }
