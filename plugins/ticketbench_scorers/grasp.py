"""GraSP: gradient signal preservation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Grasp(Scorer):
    """The paper's importance is S(−θ) = −θ·Hg, and the weights with the largest S are removed: score = θ·Hg.

    H is the Hessian and g the gradient of the mean criterion at outputs divided by a temperature T, over the
    same scoring examples. Hg is one exact Hessian-vector product, ∂(g·stop(g))/∂θ, by differentiating twice.
    With more than one batch, g is averaged over all batches first and each batch adds its share of Hg.

    Deviations from public code: scoring examples are drawn at random, not ordered by class (which gave the
    two halves of a batch different classes); the network that is scored is the one that is pruned, nothing is
    re-initialized; the temperature reaches every output.
    """

    name = "grasp"
    summary = "how much the gradient flow would fall without the connection: weight × Hessian-gradient product"
    reference = "Wang, Zhang and Grosse 2020 (arXiv 2002.07376), Eq. 8"

    batches: int = option(1, "scoring batches; 0 for the whole training split", at_least=0)
    batch: int = option(0, "examples in a scoring batch; 0 for the recipe's batch", at_least=0)
    temperature: float = option(200.0, "divides the outputs before the criterion", at_least=1e-6)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """θ·Hg of every prunable weight."""
        leaves = {name: weight.clone().requires_grad_(True) for name, weight in trial.weights.items()}
        batches = list(trial.batches(self.batches, self.batch or None))
        total = sum(len(examples) for examples in batches)

        def gradients(index: int, create_graph: bool) -> list[Tensor]:
            examples = batches[index]
            outputs = trial.outputs(examples.inputs, leaves)
            loss = trial.criterion(outputs / self.temperature, examples) * (len(examples) / total)
            return list(
                torch.autograd.grad(
                    loss, list(leaves.values()), create_graph=create_graph, allow_unused=True, materialize_grads=True
                )
            )

        mean = [torch.zeros_like(leaf) for leaf in leaves.values()]
        for index in range(len(batches)):
            mean = [before + part for before, part in zip(mean, gradients(index, False), strict=True)]
        product = [torch.zeros_like(leaf) for leaf in leaves.values()]
        for index in range(len(batches)):
            found = gradients(index, True)
            inner = torch.stack([(part * fixed).sum() for part, fixed in zip(found, mean, strict=True)]).sum()
            parts = torch.autograd.grad(inner, list(leaves.values()), allow_unused=True, materialize_grads=True)
            product = [before + part for before, part in zip(product, parts, strict=True)]
        return {name: (leaf * part).detach() for (name, leaf), part in zip(leaves.items(), product, strict=True)}
