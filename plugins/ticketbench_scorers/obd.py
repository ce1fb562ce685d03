"""Optimal brain damage: saliency from the diagonal of the Hessian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import OptionError, Scorer, criterion_roots, option, pulled_back

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

CHUNK = 32
"""How many backward passes go together."""


@dataclass(frozen=True)
class OptimalBrainDamage(Scorer):
    """s = h·θ² / 2, with h = ∂²L/∂θ² of the weight alone: the rise of the loss at a minimum if the weight is zero.

    L is the mean criterion over the scoring batches, of the network as it is under its mask. The square is the
    paper's; h·θ / 2, which is in print too, is a slip.

    curvature = "exact": h is the diagonal of the Hessian ∇²L, one Hessian-vector product a weight. It may be
    negative away from a minimum, and such a saliency ranks as it is, below zero: first to go.
    curvature = "gauss_newton": h is the diagonal of JᵀAJ, with J = ∂outputs/∂θ and A the Hessian of the criterion
    by the outputs, exact and without sampling; never negative. A = Σ rrᵀ example by example (the criterion is a
    mean over examples), so h = Σ (Jᵀr)², one backward pass for each r. Negative curvature of the criterion itself
    counts as none. Where the output is piecewise linear in every single weight (ReLU networks without loops or
    batch norm) both are the same. It is the default: its passes do not grow with the network.

    Deviations: the paper's own pass through the network drops all terms between units of a layer, to have one pass
    for all weights, where this diagonal is complete; it scores at the end of training over all training examples,
    here the method decides when, and `batches` how many.
    """

    name = "obd"
    summary = "half the curvature of the loss times the squared weight"
    reference = "LeCun, Denker and Solla 1990 (Optimal Brain Damage), the recipe, step 4"

    curvature: Literal["gauss_newton", "exact"] = option("gauss_newton", "which diagonal stands for the curvature")
    batches: int = option(1, "scoring batches; 0 for the whole training split", at_least=0)
    batch: int = option(0, "examples in a scoring batch; 0 for the recipe's batch", at_least=0)
    passes: int = option(
        50_000, "backward passes a score may take: one a weight (exact) or an output (gauss_newton)", at_least=1
    )

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """h·θ² / 2 of every prunable weight."""
        batches = list(trial.batches(self.batches, self.batch or None))
        total = sum(len(examples) for examples in batches)
        weights = trial.weights
        diagonal = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for examples in batches:
            leaves = {name: weight.clone().requires_grad_(True) for name, weight in weights.items()}
            outputs = trial.outputs(examples.inputs, leaves)
            live = sum(int(leaf.count_nonzero()) for leaf in leaves.values())
            self.check_cost(len(batches) * (live if self.curvature == "exact" else outputs.numel()))
            trial.bill(live if self.curvature == "exact" else outputs.numel(), len(examples))
            if self.curvature == "exact":
                found = hessian_diagonal(trial.criterion(outputs, examples), leaves)
            else:
                found = gauss_newton_diagonal(outputs, leaves, *criterion_roots(trial, outputs, examples))
            for name, part in found.items():
                diagonal[name] += part * (len(examples) / total)
        return {name: diagonal[name] * weight.square() / 2 for name, weight in weights.items()}

    def check_cost(self, needed: int) -> None:
        """Refuse what would take hours, with the ways out."""
        if needed > self.passes:
            other = 'curvature = "gauss_newton", ' if self.curvature == "exact" else "a smaller batch, "
            raise OptionError(
                f"'obd' with curvature = \"{self.curvature}\" needs {needed} backward passes here, and its option "
                f"'passes' allows {self.passes}. What would work: {other}fewer batches, or passes = {needed}."
            )


def hessian_diagonal(loss: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """∂²L/∂θ² of each weight that is not zero; of the others 0, as their saliency is 0 whatever it is."""
    weights = list(leaves.values())
    gradients = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True, materialize_grads=True)
    diagonal = {}
    for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True):
        found = torch.zeros_like(leaf).flatten()
        for places in torch.split(leaf.detach().flatten().nonzero().squeeze(1), CHUNK):
            basis = torch.zeros(len(places), leaf.numel(), dtype=leaf.dtype, device=leaf.device)
            rows = pulled_back(gradient, [leaf], basis.scatter_(1, places.unsqueeze(1), 1).view(-1, *leaf.shape))[0]
            found[places] = rows.flatten(1).gather(1, places.unsqueeze(1)).squeeze(1)
        diagonal[name] = found.view(leaf.shape)
    return diagonal


def gauss_newton_diagonal(
    outputs: Tensor, leaves: Mapping[str, Tensor], owners: Tensor, roots: Tensor
) -> dict[str, Tensor]:
    """Σ (Jᵀr)² over the roots r, each of which stands at the outputs of one example, its owner."""
    diagonal = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    for some, parts in zip(torch.split(owners, CHUNK), torch.split(roots, CHUNK), strict=True):
        basis = torch.zeros(len(some), *outputs.shape, dtype=outputs.dtype, device=outputs.device)
        basis[torch.arange(len(some), device=some.device), some] = parts
        for name, rows in zip(leaves, pulled_back(outputs, list(leaves.values()), basis), strict=True):
            diagonal[name] += rows.square().sum(0)
    return diagonal
