"""The recurrent layer of a trial, unrolled step by step for scorers that differentiate single steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ticketbench import Recurrent, TicketError

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

    Carried = tuple[Tensor, ...]


class Layer:
    """A private copy of a trial's network, whose prunable weights can be differentiated; all others are constants."""

    def __init__(self, trial: Trial, scorer: str) -> None:
        module = trial.module.eval()
        if not isinstance(module, Recurrent):
            raise TicketError(
                f"'{scorer}' scores the steps of a recurrent layer, and a network of class {type(module).__name__} has "
                "none. What would work: a recurrent model, one whose module has the members of ticketbench.Recurrent."
            )
        others = [name for name in trial.weights if name not in module.layer.values()]
        if others:
            raise TicketError(
                f"'{scorer}' scores the weights of a recurrent layer alone ({', '.join(module.layer.values())}), and "
                f"'{others[0]}' is prunable, too. Let the model's prunable() name no other weights than the layer's."
            )
        own = dict(module.requires_grad_(False).named_parameters())
        self.module = module
        self.weights = {name: own[name].requires_grad_(True) for name in trial.weights}
        self.live = sum(int(mask.sum()) for mask in trial.mask.values())
        self.spent = trial.spent

    def states(self, features: Tensor) -> list[Carried]:
        """What is carried before the first step and after each, of features (batch, steps, features)."""
        states = [self.module.start(len(features))]
        for step in range(features.shape[1]):
            states.append(self.module.transition(features[:, step], states[-1]))
        return states

    def slopes(
        self, of: Sequence[Tensor], at: Sequence[Tensor] = (), along: Sequence[Tensor] | None = None
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """(alongᵀ·∂of/∂weights, alongᵀ·∂of/∂at): zeros where nothing depends. The graph stays."""
        places = [*self.weights.values(), *at]
        found = torch.autograd.grad(of, places, along, retain_graph=True, allow_unused=True, materialize_grads=True)
        return dict(zip(self.weights, found, strict=False)), list(found[len(self.weights) :])

    def bill(self, steps: float, examples: int) -> None:
        """Book so many forward passes of a step; a backward pass costs two, and the read-out none."""
        self.spent.flops += 2.0 * self.live * steps * examples
