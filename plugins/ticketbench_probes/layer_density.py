"""The density of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Probe

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class LayerDensity(Probe):
    """Kept weights over all weights, layer by layer under the weight's name, and the "smallest" of them.

    A smallest of zero is a collapsed layer: nothing reaches the outputs through it.
    """

    name = "layer_density"
    summary = "the density of every layer, and the smallest"
    reference = "Frankle et al. 2021 (arXiv 2009.08576); Tanaka et al. 2020 (arXiv 2006.05467), section 3"
    moments = ("drawn", "trained", "reported")

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Kept over all weights of every layer, and the smallest of these shares."""
        densities = {name: int(mask.sum()) / mask.numel() for name, mask in trial.mask.items()}
        return {**densities, "smallest": min(densities.values())}
