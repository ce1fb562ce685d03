"""Three ways to share a sparsity among classes of weights, after training, with training again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Train, kept_count, option
from ticketbench_methods.schemes import Classes, Scheme, classes_of, mask_by_scheme

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class WeightClasses(Method):
    """Train to the end, prune by one of three schemes, and train what is left again.

    Weights are in classes c, and x is the share that goes. "blind": the x smallest |θ| of all weights, whatever their
    class. "uniform": in each class the x smallest |θ| of it. "distribution": in each class all with |θ| < λ·σ_c, σ_c
    the standard deviation of its weights and λ one number for all classes, such that x go in total.
    classes: "weight" = each weight tensor is a class, of a recurrent layer the input's and the hidden state's each;
    "layer" = all weights of a layer are one class, as in the paper, whose classes are the layers of each side, the
    embeddings, the attention and the softmax. With one layer of prunable weights the schemes are then all the same.
    rounds: in how many prunings the density falls, to ρ^(k/n) at the k-th; after each one the network is trained again.
    The network before each pruning is a point of the curve.
    Deviations: the paper trains again at a lower learning rate, which is halved from early on, and with less dropout;
    here the schedule and the model are the same. The counts are exact in total, ties by index. At density 1 there is
    nothing to prune, and the network is trained once.
    """

    name = "weight_classes"
    summary = "train, prune class-blind, class-uniform or class-distribution, and train again"
    reference = "See, Luong and Manning 2016 (arXiv 1606.09274), section 3.2"

    scheme: Scheme = option("blind", "how classes share what goes")
    classes: Classes = option("weight", "what a class is")
    rounds: int = option(1, "prunings, each followed by a training", at_least=1)
    then: Literal["retrain", "stop"] = option("retrain", "what comes after the last pruning")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train and prune in turns; the engine trains after the last pruning."""
        if trial.density == 1:
            return
        of = classes_of(trial.module, list(trial.weights), self.classes)
        for number in range(1, self.rounds + 1):
            yield trial.train()
            trial.report()
            density = trial.density if number == self.rounds else trial.density ** (number / self.rounds)
            kept = kept_count(density, trial.total_weights)
            trial.set_mask(mask_by_scheme(self.scheme, trial.weights, trial.mask, of, kept))
            if number < self.rounds or self.then == "retrain":
                trial.restart()

    def trainings(self, density: float) -> float:
        """One before each pruning, and one after the last unless it ends there."""
        return 1.0 if density == 1 else self.rounds + (self.then == "retrain")
