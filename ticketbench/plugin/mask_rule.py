"""Rules for changing masks: written for one network, applied to all members of a fleet at once.

A method that changes its mask every hundred steps yields `trial.remask(rule, …)` between two trainings. The engine
applies equal rules of all members that wait in one pass over the stack, with `torch.func.vmap`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from ticketbench.plugin.regime import Noise

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


class Examples(NamedTuple):
    """What a dense gradient is taken on: training examples of each cell's own."""

    kind: Literal["batch", "slice"] = "batch"
    """batch: another one every time, drawn from the cell's seed as `trial.batches()` draws it. slice: the first ones of
    the training split, always the same."""
    size: int | None = None
    """How many; None for the recipe's batch."""


@dataclass(frozen=True)
class MaskView:
    """What a rule sees of one network."""

    weights: Tensors
    """Every prunable weight θ, zero outside the mask."""
    mask: Tensors
    """The present mask, as bool tensors."""
    numbers: Tensors = field(default_factory=dict)
    """The numbers that came with the request, as float64 scalars: they differ from member to member."""
    gradient: Tensors = field(default_factory=dict)
    """∂L/∂θ at every prunable weight, pruned ones included, where the rule names `examples`."""
    average: Tensors = field(default_factory=dict)
    """The running average of the dense gradient, where the rule says that it is `averaged`."""
    noise: Tensors = field(default_factory=dict)
    """The random numbers that the rule asks for."""
    memory: Tensors = field(default_factory=dict)
    """What the rule has held on to since its last change of this mask."""


class MaskRule(ABC):
    """Subclass it as a frozen dataclass, write `masks`, and yield `trial.remask(rule, …)`.

    >>> @dataclass(frozen=True)
    ... class DropAndGrow(MaskRule):  # drop a share of each layer, the smallest weights, and grow as many at random
    ...     def noise(self, weights):
    ...         return {name: Noise("uniform", tuple(weight.shape)) for name, weight in weights.items()}
    ...     def masks(self, view):
    ...         found = {}
    ...         for name, mask in view.mask.items():
    ...             dropped = (mask_count(mask) * view.numbers["share"]).long()
    ...             kept = top_mask(view.weights[name].abs(), mask_count(mask) - dropped, allowed=mask)
    ...             found[name] = kept | top_mask(view.noise[name], dropped, allowed=~kept)
    ...         return found

    Everything is an operation on tensors: no value is read on the host (`int(mask.sum())`, an `if` on a tensor), so
    that nothing waits for the device. `mask_count`, `top_mask`, `shared_out` and `best_left` count, rank and share with
    tensors. What differs from member to member or from change to change comes as a number of the request; options of
    the rule are equal for all who are done together.
    """

    averaged: ClassVar[bool] = False
    """Whether it reads the running average of the gradient that `trial.train(average=…)` keeps."""
    stream: ClassVar[str] = "masks"
    """The purpose that its random numbers are drawn for: they are those of `trial.generator(stream)`."""

    def examples(self) -> Examples | None:
        """What the dense gradient is taken on. Default: none is taken."""
        return None

    def noise(self, weights: Tensors) -> Mapping[str, Noise]:
        """The random numbers that a change needs, drawn in this order. Default: none."""
        return {}

    def memory(self, view: MaskView) -> Tensors:
        """What it holds on to of a network, as that begins: before the first change under this rule. Default: nothing.

        A memory lasts until the mask is changed under another rule. `trial.remembered` is a copy of it.
        """
        return {}

    @abstractmethod
    def masks(self, view: MaskView) -> Tensors:
        """The next mask: a bool tensor for every prunable weight."""

    def remember(self, view: MaskView, masks: Tensors) -> Tensors:
        """What is held on to after a change to these masks, under the names of `memory`. Default: what was there."""
        return view.memory
