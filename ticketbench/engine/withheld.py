"""Gradients of linear layers that nobody computes: their factors are kept for the update, which multiplies them.

The gradient of a linear layer's weight is gᵀ·x, of the gradient of its outputs and of its inputs. A kernel that updates
the weight can take this product tile by tile and never write it to memory (`kernels/product.py`). That is right only
for weights whose one use is one such layer. Which ones these are is found out at a step whose gradients are computed in
the ordinary way as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from ticketbench.kernels.product import weight_gradient

Factors = tuple[Tensor, Tensor]
"""A layer's inputs (fleet, batch, in), and the gradient of its outputs (fleet, batch, out)."""


class Withheld:
    """Collects the factors of some weights' gradients during one forward and backward pass."""

    def __init__(self, weights: Mapping[str, Tensor], watching: bool = False) -> None:
        self.weights = weights
        self.watching = watching
        """Whether the gradients are computed as well."""
        self.factors: dict[str, list[Factors]] = {}
        self.anchor = torch.zeros((), device=next(iter(weights.values())).device, requires_grad=True)
        """What a backward pass is asked for so that it reaches layers without a bias, too."""
        self._names = {id(weight): name for name, weight in weights.items()}

    def name_of(self, weight: Tensor) -> str | None:
        """The name of a weight whose factors are collected; None for any other tensor."""
        return self._names.get(id(weight))

    def add(self, name: str, inputs: Tensor, gradient: Tensor) -> None:
        """A layer that has the weight was passed on the way back."""
        self.factors.setdefault(name, []).append((inputs.detach(), gradient.detach().contiguous()))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """For the length of a block linear layers hand their factors over."""
        token = COLLECTS.set(self)
        try:
            yield
        finally:
            COLLECTS.reset(token)

    def sole_products(self, gradients: Mapping[str, Tensor]) -> list[str]:
        """The weights whose gradient is one product and nothing else, of those that were watched."""
        return [
            name
            for name, factors in self.factors.items()
            if len(factors) == 1
            and torch.allclose(weight_gradient(*factors[0]), gradients[name], rtol=1e-3, atol=1e-6, equal_nan=True)
        ]


Gradients = Callable[[Sequence[Tensor]], tuple[Tensor, list[Tensor]]]
"""Each member's loss, and the gradients at some tensors: at everything that moves, where none are named."""


class Withholding:
    """Gradients of a stack's step but for those that are left to the update."""

    def __init__(self, moving: Mapping[str, Tensor], allowed: bool) -> None:
        self.moving = moving
        self.withheld: Withheld | None = None
        self._watch = allowed
        """Whether the next step, which nothing has recorded yet, is to tell what can be withheld."""

    def gradients(self, compute: Gradients) -> tuple[Tensor, dict[str, Tensor], dict[str, Factors]]:
        """Each member's loss, the gradients by name, and the factors of those that are left out."""
        if self._watch:
            self._watch = False
            return self._watched(compute)
        if self.withheld is None:
            losses, found = compute(())
            return losses, dict(zip(self.moving, found, strict=True)), {}
        self.withheld.factors.clear()
        asked = {name: tensor for name, tensor in self.moving.items() if name not in self.withheld.weights}
        with self.withheld.collecting():
            losses, found = compute([*asked.values(), self.withheld.anchor])
        factors = {name: one for name, (one,) in self.withheld.factors.items()}
        return losses, dict(zip(asked, found[:-1], strict=True)), factors

    def _watched(self, compute: Gradients) -> tuple[Tensor, dict[str, Tensor], dict[str, Factors]]:
        watch = Withheld(self.moving, watching=True)
        with watch.collecting():
            losses, gradients = compute(())
        found = dict(zip(self.moving, gradients, strict=True))
        sole = watch.sole_products(found)
        if sole:
            self.withheld = Withheld({name: self.moving[name] for name in sole})
        return losses, found, {}


COLLECTS: ContextVar[Withheld | None] = ContextVar("collects the factors of gradients", default=None)
