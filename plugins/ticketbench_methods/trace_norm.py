"""Trace norm regularization: weights of low rank, and then a cut to the density."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, Scope, Train, option
from ticketbench_methods.factors import KEPT, LEFT, RIGHT, Factors, balanced, rank_of

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class TraceNorm(Method):
    """Train factors U·V in the place of each weight W under a trace norm penalty, cut their rank, and then weights.

    The trace norm ‖W‖_T, the sum of the singular values, is the least ½(‖U‖² + ‖V‖²) of all U·V = W.
    Stage 1: each prunable W is U·V, at first the balanced factors of W as it was drawn, U = Ũ√Σ and V = √ΣṼᵀ, of full
    rank; the loss is L + ½·`strength`·Σ(‖U‖² + ‖V‖²).
    Stage 2, from the share `transition` of the schedule on: each product is replaced by its truncated singular value
    decomposition of the least rank r that explains `variance` of Σσ², balanced again, and its factors are trained
    without the penalty. transition = 1 leaves stage 2 out: the truncated product is what is cut.
    Density: a product of low rank is dense, and what the paper saves, r·(m + n) for m·n numbers, is no mask. Here the
    density counts weights of W, as for every method: after the training exactly as many stay as it says, the largest
    |W| = |U·V|, and these are trained as single weights; rank and trace norm decide which they are and where they
    start. Noted is each layer's rank as "rank of NAME", and "density of factors", Σr(m + n) / Σmn. The network of
    low rank is a point of the curve.
    then: "finetune" = the kept weights are trained for another schedule; "stop" = the network is judged as cut, and
    trained again only where the protocol trains elsewhere.
    Deviations: the paper has strengths of their own for recurrent and other weights, joins gates' recurrent weights
    and leaves convolutions alone; here all prunable weights have one strength, a convolution with a row a filter.
    It picks the truncated rank and goes on at a lowered learning rate; here the schedule goes on with the slots of the
    factors as they were. A recipe's weight decay does not act on factors. At density 1 nothing is cut to a density.
    """

    name = "trace_norm"
    summary = "train factored weights under a trace norm penalty, truncate their rank, cut, and train again"
    reference = "Kliegl et al. 2017 (arXiv 1710.09026), section 3"
    mixes = False

    strength: float = option(1e-3, "λ of the trace norm", at_least=0.0)
    transition: float = option(0.5, "share of training at which the rank is cut", at_least=0.0, at_most=1.0)
    variance: float = option(0.9, "share of Σσ² that the truncated weights explain", at_least=0.0, at_most=1.0)
    scope: Scope = option("global", "how layers share the budget")
    then: Literal["finetune", "stop"] = option("finetune", "what comes after the cut")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Stage 1, truncation, stage 2, and the cut."""
        stage = Factors(tuple(trial.weights), self.strength)
        yield trial.train(until=round(self.transition * trial.total_steps), regime=stage)
        self.truncate(trial)
        yield trial.train(regime=replace(stage, strength=0.0))
        if trial.density == 1:
            return
        trial.report()
        computed = trial.computed
        trial.prune(scope=self.scope, scores={name: computed[name].abs() for name in trial.mask})
        if self.then == "finetune":
            trial.restart()

    def truncate(self, trial: Trial) -> None:
        """Leave each product the directions that explain enough of it."""
        computed, factors = trial.computed, 0
        found: dict[str, Tensor] = {}
        for name in trial.weights:
            left, right = balanced(computed[name])
            rank = rank_of(computed[name], self.variance)
            kept = (torch.arange(left.shape[1], device=left.device) < rank).to(left.dtype)
            found |= {LEFT + name: left, RIGHT + name: right, KEPT + name: kept}
            factors += rank * (left.shape[0] + right.shape[1])
            trial.note(f"rank of {name}", rank)
        trial.set_extras(found)
        trial.note("density of factors", factors / trial.total_weights)

    def trainings(self, density: float) -> float:
        """The factors', and that of the kept weights if they are trained."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0
