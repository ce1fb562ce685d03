"""A probe for ticketbench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticketbench import Probe, Trial, hookimpl, option


@dataclass(frozen=True)
class Sample(Probe):
    """The share of kept weights whose sign is another than at the start of the training, Σ m·[θ·θ_0 < 0] / Σ m.

    θ are the weights at the end of training, θ_0 those that this training started from, and m is the mask. Weights
    with |θ| of at most `near` do not count as turned.
    Deviations: the paper compares signs to find out which of them a ticket needs; this only counts.
    """

    name = "sample"
    summary = "how many kept weights have changed their sign in training"
    reference = "Zhou et al. 2019 (arXiv 1905.01067), section 4"
    moments = ("trained",)

    near: float = option(0.0, "weights no larger than this have no sign", at_least=0.0)

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Named numbers."""
        start, mask = trial.origin, trial.mask
        turned = sum(
            int(((weight * start[name] < 0) & (weight.abs() > self.near) & mask[name]).sum())
            for name, weight in trial.weights.items()
        )
        return {"turned": turned / max(1, sum(int(part.sum()) for part in mask.values()))}


@hookimpl
def ticketbench_probes() -> Sequence[Probe]:
    """What this plugin offers."""
    return [Sample()]
