"""Regimes: what a method changes about the training step, where it is not the plain one.

Plainly, a step is θ ← optimizer(θ, ∇L(θ)). A regime adds to it, each part on its own: a penalty to the loss, a change
of the gradient, further parameters that are trained beside the weights, weights that the forward sees in place of θ.
It is written for one network, in operations that `torch.func.vmap` can stack; the engine runs it for a whole fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class Noise(NamedTuple):
    """Random numbers that every step of a regime or every change by a rule needs, drawn from the cell's own seed."""

    kind: Literal["normal", "uniform"]
    """normal: mean 0, deviation 1. uniform: in [0, 1)."""
    shape: tuple[int, ...]
    precision: Literal["float32", "float64"] = "float32"
    """Among millions of float32 numbers there are ties."""


@dataclass(frozen=True)
class StepView:
    """What a regime sees of one network at one step."""

    weights: Tensors
    """Every trainable parameter θ, zero outside the mask."""
    mask: Tensors
    """The mask of every prunable weight, as bool tensors."""
    extras: Tensors
    """The regime's own parameters."""
    noise: Tensors | None
    """The step's random numbers; None where the network is judged or validated."""
    progress: Tensor
    """The share of the schedule that is done, a scalar; 1 where the network is judged."""


@dataclass(frozen=True)
class Regime:
    """Subclass it as a frozen dataclass, override what is different, and yield `trial.train(regime=…)`.

    >>> @dataclass(frozen=True)
    ... class Ridge(Regime):
    ...     strength: float = 1e-4
    ...     def penalty(self, step):
    ...         return self.strength * sum(weight.square().sum() for weight in step.weights.values())

    Members of a fleet are trained together where their regimes are equal. What is trained beside the weights begins
    with the first training under a regime, goes on as long as the regime's class stays the same (its options may
    change), and ends with a rewind, a restart, a reinitialization, a plain training, or the end of drawing. At the end
    of drawing, at a restart and before a plain training the weights that the forward saw become the weights. Outside
    the mask they are zero whatever the regime computes.
    """

    def extras(self, weights: Tensors, generator: torch.Generator) -> Tensors:
        """What is trained or held beside the weights, as it begins. Default: nothing."""
        return {}

    def rate(self, name: str) -> float:
        """The learning rate of one of the extras, as a multiple of the recipe's; 0 holds it fixed. Default: 1.

        Weight decay is for weights alone.
        """
        return 1.0

    def noise(self, weights: Tensors) -> Mapping[str, Noise]:
        """The random numbers that a step needs. Default: none."""
        return {}

    def computed(self, step: StepView) -> Tensors:
        """The weights that the forward sees, for those names where they are not θ itself. Default: none."""
        return {}

    def penalty(self, step: StepView) -> Tensor | None:
        """A scalar that is added to the loss. Default: nothing."""
        return None

    def gradient(self, gradients: Tensors, step: StepView) -> Tensors:
        """Other gradients, for those names where they change, before mask and clipping.

        `gradients` has those of all that is trained: of θ where the recipe trains it, of extras that are not held.
        """
        return {}
