"""Block-sparse networks: a group lasso on square blocks, and a rising threshold that drops whole ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import MaskView, Regime, Request, kept_count, option
from ticketbench_methods.blocks import block_maxima, block_norms, side_of, spread_out
from ticketbench_methods.narang import Narang, RisingThreshold, percentiles

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView, Trial


@dataclass(frozen=True)
class GroupLasso(Regime):
    """strength·Σ‖θ_g‖₂ over all square blocks g of the weights that may be pruned."""

    strength: float = 0.0
    side: int = 1
    narrow: int = 1

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        weights = [step.weights[name] for name in step.mask]
        norms = [block_norms(weight, side_of(weight, self.side, self.narrow)).sum() for weight in weights]
        return self.strength * torch.stack(norms).sum()


@dataclass(frozen=True)
class BlockThreshold(RisingThreshold):
    """Prune the blocks whose largest weight is below the threshold, no more than leaves "least" weights."""

    side: int = 1
    narrow: int = 1

    def sizes(self, view: MaskView) -> dict[str, Tensor]:
        """The largest |θ| of each weight's block, as a multiple of its layer's limit."""
        found = {}
        for name, weight in view.weights.items():
            side = side_of(weight, self.side, self.narrow)
            largest = spread_out(block_maxima(weight, side), weight, side)
            found[name] = largest.double() / view.numbers[f"limit {name}"]
        return found


@dataclass(frozen=True)
class BlockLasso(Narang):
    """One training under a group lasso, in which blocks below a rising threshold are set to zero every f steps.

    Each weight matrix is divided into blocks g of `block` × `block`, fewer at its borders; a filter of a convolution is
    a row. A layer with fewer rows or columns than `narrow` has blocks of single weights: a few blocks of 4×4 in a layer
    of ten outputs would leave some of them without any weight. The loss is L + `strength`·Σ_g ‖θ_g‖₂ from the first
    step to the last, and a block is pruned if its largest |θ| is below the layer's threshold, which rises as in
    `narang`. q_l, what it is made for, is the percentile of the layer's blocks, by their largest |θ|, after a dense
    training under the lasso or at initialization.
    strength = 0 is block pruning alone; there the paper's other approach is a lasso alone, which finds no count.
    So that the density is exact, no update leaves fewer weights than it says, and the last one leaves exactly as many:
    whole blocks, those with the largest |θ|/q_l first, and of the last one the first weights by index. Between
    equal blocks the index decides. What thresholds alone would have left is noted as "density by threshold".

    Deviations: those of `narang`. The paper makes thresholds for the percentile of single weights, times the fourth
    root of the weights in a block; on a small network such thresholds left the last layer nothing. Its layers are not
    narrow; it prunes recurrent and linear weights and leaves others dense, here every prunable weight takes part. Its
    strength is chosen for each model.
    """

    name = "block_lasso"
    summary = "train under a group lasso on blocks, and drop blocks below a threshold that rises"
    reference = "Narang, Undersander and Diamos 2017 (Block-sparse recurrent neural networks, arXiv 1711.02782)"

    strength: float = option(1e-4, "λ of the group lasso", at_least=0.0)
    block: int = option(4, "rows and columns of a block; the authors: 4 to 32", at_least=1)
    narrow: int = option(16, "rows and columns below which a layer's weights are single", at_least=1)

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Find every layer's limit, then train and prune in turns, all under the lasso."""
        lasso = GroupLasso(self.strength, self.block, self.narrow) if self.strength else None
        if trial.density == 1:
            yield trial.train(regime=lasso)
            return
        updates = self.updates(trial.total_steps)
        start = trial.snapshot()
        if self.q == "trained":
            yield trial.train(regime=lasso)
        sides = {name: side_of(weight, self.block, self.narrow) for name, weight in trial.weights.items()}
        largest = {name: block_maxima(weight, sides[name]) for name, weight in trial.weights.items()}
        limits = percentiles(largest, 1 - trial.density)
        own = {f"limit {name}": float(limit) for name, limit in limits.items()}
        if self.q == "trained":
            trial.rewind(start)
        least = kept_count(trial.density, trial.total_weights)
        for step, threshold in updates:
            yield trial.train(until=step, regime=lasso)
            last = step == updates[-1][0]
            yield trial.remask(
                BlockThreshold(self.block, self.narrow), threshold=threshold, least=least, last=last, **own
            )
        trial.note("density by threshold", int(trial.remembered["above"]) / trial.total_weights)
        yield trial.train(regime=lasso)
