"""Soft weight-sharing: a mixture of Gaussians, one of them at zero, is fitted to the weights that it draws together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import StepView, Train, option
from ticketbench_methods.sought import Pressed, Sought, examples_of

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

MEANS, DEVIATIONS, LOGITS = "means", "log deviations", "logits of shares"
"""The names of what the mixture is made of, among the extras."""
NARROW = 0.05
"""The least deviation of a component, as a share of what it began with."""


def joint(weight: Tensor, extras: Mapping[str, Tensor], spike: float) -> Tensor:
    """log π_j + log N(w | μ_j, σ_j²) of each weight and each component, that at zero first: a last axis over j."""
    means = torch.cat([torch.zeros_like(extras[MEANS][:1]), extras[MEANS]])
    others = math.log(1 - spike) + extras[LOGITS].log_softmax(0)
    shares = torch.cat([torch.full_like(others[:1], math.log(spike)), others])
    levels = extras[DEVIATIONS]
    distance = (weight.unsqueeze(-1) - means) * (-levels).exp()
    return shares - levels - distance.square() / 2 - math.log(2 * math.pi) / 2


@dataclass(frozen=True)
class Mixture(Pressed):
    """A penalty −Σ log Σ_j π_j N(w | μ_j, σ_j²), with μ_0 = 0 and π_0 held, the rest trained with the weights."""

    components: int = 16
    spike: float = 0.99
    examples: int = 1

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """Means evenly over the range of the weights, deviations half as wide as the gaps, shares alike."""
        flat = torch.cat([weights[name].reshape(-1) for name in self.names])
        low, high, count = float(flat.min()), float(flat.max()), self.components
        gap = max(high - low, 1e-6) / count
        means = low + gap * (torch.arange(count, dtype=flat.dtype, device=flat.device) + 0.5)
        deviations = torch.full_like(means[:1].expand(count + 1), math.log(gap / 2))
        return {MEANS: means, DEVIATIONS: deviations, "least": deviations[0] + math.log(NARROW), LOGITS: 0 * means}

    def rate(self, name: str) -> float:
        """The bound of deviations is held."""
        return 0.0 if name == "least" else self.pace

    def pressure(self, step: StepView) -> Tensor:
        """The mixture's surprise at the weights, divided by the number of examples."""
        extras = bounded(step.extras)
        parts = [joint(step.weights[name], extras, self.spike).logsumexp(-1).sum() for name in self.names]
        return -torch.stack(parts).sum() / self.examples


def bounded(extras: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mixture with no component narrower than it may be."""
    return {**extras, DEVIATIONS: extras[DEVIATIONS].maximum(extras["least"])}


@dataclass(frozen=True)
class SoftWeightSharing(Sought):
    """Train, then go on under −λ/N·Σ log Σ_j π_j N(w | μ_j, σ_j²): weights gather around the means of a mixture.

    One component has its mean at 0 and the share π_0 = `spike`, both held; the means, deviations and shares of the
    others are trained beside the weights, and so is the deviation of the one at 0. From `begin` on the penalty is
    added; means begin evenly over the range of the trained weights. N is the number of examples, over which the loss is
    a mean. Each weight belongs to the component that explains it best, and is kept unless that is the one at 0: it is
    worth max_j>0 log π_j N_j − log π_0 N_0. What λ has to do with the density, and what the cut is, is said of
    `Sought`. share: what is left after the cut takes the mean of the component, other than the one at 0, that explains
    it best, as the paper's networks do in the end; with end = 1 that is what is judged.

    Deviations: no deviation falls below a twentieth of what it was at first, where the authors put Gamma priors on the
    precisions; either keeps a component from closing around a single weight. They retrain from a network trained to its
    end, merge components that have become alike, and have rates for means and deviations of their own; here that is
    `pace` for all. Biases, as what else may not be pruned, have no part in the mixture.
    """

    name = "soft_weight_sharing"
    summary = "fit a mixture of Gaussians, one of them at zero, to the weights while it draws them together"
    reference = "Ullrich et al. 2017 (arXiv 1702.04008), equations 4 and 5; Nowlan and Hinton 1992"

    strength: float = option(0.01, "λ of the penalty, τ in the paper", at_least=0.0)
    pace: float = option(1.0, "the learning rate of the mixture, against the weights'", at_least=0.0)
    begin: float = option(0.4, "share of training before the penalty", at_least=0.0, at_most=1.0)
    components: int = option(16, "components beside the one at zero", at_least=1)
    spike: float = option(0.99, "π_0, the share of the component at zero", at_least=0.01, at_most=0.9999)
    share: bool = option(False, "whether what is left takes the means of its components")

    def __post_init__(self) -> None:
        if self.begin > self.end:
            raise ValueError(f"begin = {self.begin:g} must be at most end = {self.end:g}")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train, gather, cut, and perhaps share."""
        if trial.density == 1:
            return
        yield trial.train(until=round(self.begin * trial.total_steps))
        yield from Sought.draw(self, trial)
        if self.share:
            means = trial.extras[MEANS]
            trial.set_weights({name: means[part[..., 1:].argmax(-1)] for name, part in self.joints(trial).items()})

    def regime(self, trial: Trial) -> Mixture:
        """One mixture for all prunable weights."""
        names = tuple(trial.mask)
        return Mixture(names, self.strength, self.pace, self.components, self.spike, examples_of(trial))

    def worth(self, trial: Trial) -> dict[str, Tensor]:
        """How much better the best of the other components explains a weight than the one at zero."""
        return {name: part[..., 1:].amax(-1) - part[..., 0] for name, part in self.joints(trial).items()}

    def joints(self, trial: Trial) -> dict[str, Tensor]:
        """log π_j N_j of every weight."""
        extras = bounded(trial.extras)
        return {name: joint(weight, extras, self.spike) for name, weight in trial.weights.items()}
