"""ProsPr: connection sensitivity after a few steps of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Split, Trial


@dataclass(frozen=True)
class Prospr(Scorer):
    """s = |∂L(θ_M)/∂c| at c = 1, where θ₀ = c ⊙ θ and θ_{i+1} = θ_i − α·∂L_i/∂θ_i for M steps.

    L_i is the mean criterion of a batch of its own each, and L of one more. What a connection is worth is thus asked
    of the network that it leads to in M steps, and the derivative goes back through all of them:
    ∂L/∂c = θ ⊙ Π_i (I − α·H_i) ∂L/∂θ_M. All parameters take the steps, biases too; c stands at prunable weights alone.
    derivative: "full" = that product, by differentiating through the steps; "first_order" = H_i counts as zero, which
    takes no second derivatives. With no steps both are SNIP.
    Deviations: the steps are plain gradient descent (the authors' code can add momentum and decay); the network's
    statistics (batch norm) see the batches but are not changed by them; nothing is scored layer by layer.
    """

    name = "prospr"
    summary = "how much the loss after a few steps of training depends on the connection"
    reference = "Alizadeh et al. 2022 (arXiv 2202.08132), section 3 and Algorithm 1"

    steps: int = option(3, "steps of training before the loss (M)", at_least=0)
    learning_rate: float = option(0.1, "of these steps (α)", at_least=0.0)
    derivative: Literal["full", "first_order"] = option("full", "through the gradients of the steps, or not")
    batch: int = option(0, "examples in a batch; 0 for the recipe's batch", at_least=0)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|∂L(θ_M)/∂c| of every prunable weight."""
        weights = trial.weights
        connections = {name: torch.ones_like(weight).requires_grad_(True) for name, weight in weights.items()}
        state = {name: parameter.requires_grad_(True) for name, parameter in trial.parameters.items()}
        state |= {name: weights[name] * connection for name, connection in connections.items()}
        masks = trial.mask
        batches = list(trial.batches(self.steps + 1, self.batch or None))
        for number in range(self.steps):
            state = self.stepped(trial, state, masks, batches[number % len(batches)])
        loss = trial.loss(batches[-1], state)
        found = torch.autograd.grad(loss, list(connections.values()), allow_unused=True, materialize_grads=True)
        return {name: part.abs() for name, part in zip(connections, found, strict=True)}

    def stepped(
        self, trial: Trial, state: Mapping[str, Tensor], masks: Mapping[str, Tensor], examples: Split
    ) -> dict[str, Tensor]:
        """Every parameter after a step; what is pruned stays zero."""
        full = self.derivative == "full"
        if full:
            trial.bill(3.0, len(examples))  # the passes back through this step
        slopes = torch.autograd.grad(
            trial.loss(examples, state),
            list(state.values()),
            create_graph=full,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        after = {}
        for (name, value), slope in zip(state.items(), slopes, strict=True):
            after[name] = value - self.learning_rate * (slope * masks[name] if name in masks else slope)
        return after
