"""Edge-popup: what is hidden in a randomly weighted network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Scope, Train, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class EdgePopup(Method):
    """Leave the weights as they were drawn and train which of them to keep.

    Every prunable weight w has a score s, and the network computes with w ⊙ h(|s|): h is 1 for the best |s| of each
    layer, in as great a share as the density says, and 0 elsewhere. Backward h counts as the identity, so that
    ∂L/∂s = ∂L/∂(w ⊙ h) · w · sign(s) at kept and dropped weights alike. Scores start from U(±1/√fan_in) and are
    trained with the recipe, its optimizer, schedule and weight decay, for one whole schedule. Biases and the scales
    of norms are not trained either.
    then: "stop" = the network is judged as found, no weight of it trained, and trained only where the protocol trains
    elsewhere; "train" = what was found is judged as a round of its own, and then its weights, as they were drawn, are
    trained for another schedule and judged at the same density.
    Deviations: the paper ranks by s, its code by |s|, as here. The weights are those of the row's initializer; the
    paper's best are ± one constant a layer, and its networks have no biases and no scales of norms. The count is
    exact in total, ties by index; the paper rounds in each layer. The last validation counts where a recipe selects
    the best, as the mask changes all the time.
    At density 1 there is nothing to find, and the network is trained as usual.
    """

    name = "edge_popup"
    summary = "freeze the random weights and train a score for each, which says whether it stays"
    reference = "Ramanujan et al. 2020 (arXiv 1911.13299), section 3"
    mixes = False

    then: Literal["stop", "train"] = option("stop", "what comes after the mask was found")
    scope: Scope = option("layerwise", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train the mask, and perhaps go back for its weights."""
        if trial.density == 1:
            return
        start = trial.snapshot()
        yield trial.train(masks=self.scope)
        if self.then == "train":
            trial.report()
            trial.rewind(start)

    def trainings(self, density: float) -> float:
        """One of the mask, and one of the weights if they are trained."""
        return 2.0 if self.then == "train" and density < 1 else 1.0
