"""Taylor pruning of single weights: what the loss of each example would change without the weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.func import functional_call, grad, vmap

from ticketbench import Scorer, Split, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

HELD = 2**24
"""Numbers that the gradients of a piece of examples hold at most, one example at least."""


@dataclass(frozen=True)
class Taylor(Scorer):
    """s = mean over examples of |θ · ∂ℓ_e/∂θ|^p, with ℓ_e the criterion of one example: the per-weight variant.

    θ · ∂ℓ_e/∂θ is the change of an example's loss without the weight, to first order. Its size is taken example by
    example, before the mean, so that changes of opposite signs do not cancel; SNIP takes it after the mean. p = 1 is
    the criterion of Molchanov et al. 2017 for a feature map, applied to a weight; p = 2 that of Molchanov et al. 2019.
    Whole units are ranked and removed by the method `taylor_units`.

    The network is in evaluation mode, as an example's loss must be its own. Deviation: the papers prune while they
    train; here the method decides when.
    """

    name = "taylor"
    summary = "|weight × gradient| of each example's loss, averaged over examples"
    reference = "Molchanov et al. 2017 (arXiv 1611.06440), Eq. 7; Molchanov et al. 2019 (arXiv 1906.10771), Eq. 8"

    power: int = option(1, "1 for the size of the change, 2 for its square", at_least=1, at_most=2)
    batches: int = option(1, "scoring batches; 0 for the whole training split", at_least=0)
    batch: int = option(0, "examples in a scoring batch; 0 for the recipe's batch", at_least=0)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """The mean of |θ · ∂ℓ_e/∂θ|^p of every prunable weight."""
        weights = trial.weights
        module = trial.module.eval()
        rest = {name: part.detach() for name, part in (*module.named_parameters(), *module.named_buffers())}

        def loss(own: dict[str, Tensor], inputs: Tensor, target: Tensor) -> Tensor:
            one = Split(inputs.unsqueeze(0), target.unsqueeze(0))
            return trial.criterion(functional_call(module, {**rest, **own}, (one.inputs,)), one)

        each = vmap(grad(loss), in_dims=(None, 0, 0))
        piece = max(1, HELD // max(1, trial.total_weights))
        total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        seen = 0
        for examples in trial.batches(self.batches, self.batch or None):
            trial.bill(1.5, len(examples))  # a backward pass, and a forward pass, half of it
            seen += len(examples)
            pieces = zip(torch.split(examples.inputs, piece), torch.split(examples.targets, piece), strict=True)
            for inputs, targets in pieces:
                for name, slopes in each(weights, inputs, targets).items():
                    total[name] += (weights[name] * slopes).abs().pow(self.power).sum(dim=0)
        return {name: part / seen for name, part in total.items()}
