"""A scorer for ticketbench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ticketbench import Scorer, Trial, hookimpl, option


@dataclass(frozen=True)
class Sample(Scorer):
    """s = |θ·g|^p: a weight times the gradient of the loss by it, over one batch of training examples.

    θ are the weights as they stand, g = ∂L/∂θ on the batch, and p the option `power`: with p = 1 the change of the loss
    that removing the weight makes, to first order; with p = 2 its square.
    Deviations: the paper averages over training as it goes on; this looks once, when it is asked.
    """

    name = "sample"
    summary = "weight times gradient, to a power"
    reference = "Molchanov et al. 2019 (arXiv 1906.10771), equation 8"

    power: float = option(2.0, "the exponent p", at_least=0.0)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """A finite number for every weight, in its shape; what scores higher is kept."""
        gradient = trial.gradient(next(trial.batches()))
        return {name: (weight * gradient[name]).abs() ** self.power for name, weight in trial.weights.items()}


@hookimpl
def ticketbench_scorers() -> Sequence[Scorer]:
    """What this plugin offers."""
    return [Sample()]
