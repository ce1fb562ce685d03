"""Taylor pruning of whole units: what the loss of each example would change without a feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import option
from ticketbench_methods.gates import GateSlopes
from ticketbench_methods.skeletonization import criterion_of
from ticketbench_methods.unit_pruning import UnitPruning

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial
    from ticketbench_methods.filters import Links


@dataclass(frozen=True)
class TaylorUnits(UnitPruning):
    """Train; a unit's score is the mean over examples of |Σ a·∂ℓ_e/∂a| over all positions of its output a.

    ℓ_e is the criterion of one example, in evaluation mode; the size is taken of every example's own sum, which is the
    change of its loss without the unit, to first order. With `normalise` a layer's scores are divided by their
    Euclidean norm, so that layers can be compared; the paper's division by the size of the map cancels then.
    As for all `UnitPruning`: `rounds`, `scope` and `then`.
    Deviations: the paper removes one feature map at a time with a few steps of fine-tuning in between (`rounds` is how
    often here, with whole trainings in between); without `normalise` positions are added up, not averaged; what is
    read is taken after pooling, which for a maximum is the same sum.
    """

    name = "taylor_units"
    summary = "train, remove the units whose |activation × gradient| is smallest, and train the smaller network"
    reference = "Molchanov et al. 2017 (arXiv 1611.06440), Eqs. 7 and 8"

    normalise: bool = option(True, "whether a layer's scores are divided by their norm")

    def unit_scores(self, trial: Trial, links: Links) -> dict[str, Tensor]:
        """E|Σ a·∂ℓ/∂a| of every unit."""
        scores = trial.score(GateSlopes(links, self.examples, criterion_of, sum_of_sizes))
        if self.normalise:
            return {name: part / part.norm().clamp(min=1e-300) for name, part in scores.items()}
        return scores


def sum_of_sizes(slopes: Tensor) -> Tensor:
    """Σ|·| over examples."""
    return slopes.abs().sum(dim=0)
