"""Learning weights and connections: training under an L1 or L2 penalty, pruning, and training again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Train, kept_count, option
from ticketbench_methods.schemes import Scheme, classes_of, mask_by_scheme
from ticketbench_methods.shrinkage import Shrinkage

if TYPE_CHECKING:
    from ticketbench import Trial

Penalty = Literal["l1", "l2"]


@dataclass(frozen=True)
class Penalized(Method):
    """Train with l1·Σ|θ| or ½·l2·Σθ² added to the loss, prune the smallest weights, and train what is left again.

    The penalty is over the weights that may be pruned. scheme: "blind" = one threshold on |θ| for all layers;
    "distribution" = |θ| < λ·σ_c, σ_c the standard deviation of a layer's weights and λ, the quality parameter, the same
    for all; "uniform" = the same share of each layer. Each is such that exactly as many stay as the density says. Kept
    weights stay as they are, and the schedule starts again.
    rounds: in how many prunings the density falls, to ρ^(k/n) at the k-th; after each one the network is trained again
    ("iterative prune and retrain"). The network before each pruning is a point of the curve.
    retraining: what is added to the loss after pruning. The authors found L1 better before training again and L2 after
    it, and L2 in both phases best.
    then: "stop" = the network is judged as it is after the last pruning ("without retraining").
    Deviations: the authors' threshold is λ·σ_c with a λ for each layer, found by looking how sensitive it is, which
    spares small layers. No such choice is made here; one λ for all left the last layer of a 64-100-40-10 network on 8×8
    digits next to nothing at a density of 0.05 (accuracy 0.62 after training again, with one threshold 0.90), hence the
    default. They train again at a tenth of the learning rate or less and with less dropout; here the schedule and the
    model are the same. Strengths are unstated; 5e-4 is a usual weight decay, for L2. A recipe's weight decay comes on
    top. Where the protocol trains elsewhere, it starts from the weights after the last training. At density 1 the
    network is trained once, under the penalty.
    """

    name = "penalized"
    summary = "train under an L1 or L2 penalty, prune the smallest weights, and train again"
    reference = "Han, Pool, Tran and Dally 2015 (arXiv 1506.02626), sections 3.1 to 3.4 and figure 5"
    mixes = False

    penalty: Penalty = option("l2", "what is added to the loss before pruning")
    retraining: Literal["same", "l1", "l2", "none"] = option("same", "what is added to the loss after pruning")
    l1: float = option(1e-4, "strength of the L1 penalty", at_least=0.0)
    l2: float = option(5e-4, "strength of the L2 penalty", at_least=0.0)
    rounds: int = option(1, "prunings, each followed by a training", at_least=1)
    scheme: Scheme = option("blind", "how thresholds of layers are related")
    then: Literal["retrain", "stop"] = option("retrain", "what comes after the last pruning")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train and prune in turns, each training under its penalty."""
        yield trial.train(regime=self.regime(self.penalty))
        if trial.density == 1:
            return
        again = self.regime(self.penalty if self.retraining == "same" else self.retraining)
        classes = classes_of(trial.module, list(trial.weights), "weight")
        for number in range(1, self.rounds + 1):
            trial.report()
            density = trial.density if number == self.rounds else trial.density ** (number / self.rounds)
            kept = kept_count(density, trial.total_weights)
            trial.set_mask(mask_by_scheme(self.scheme, trial.weights, trial.mask, classes, kept))
            if number < self.rounds or self.then == "retrain":
                trial.restart()
                yield trial.train(regime=again)

    def regime(self, penalty: str) -> Shrinkage | None:
        """The penalty as part of the step; None for a plain one."""
        if penalty == "none":
            return None
        return Shrinkage(l1=self.l1) if penalty == "l1" else Shrinkage(l2=self.l2)

    def trainings(self, density: float) -> float:
        """One, and one after each pruning but where the last one ends it."""
        return 1.0 if density == 1 else self.rounds + (self.then == "retrain")
