"""Which weights' gradients are one product of one linear layer, and that the layer hands its factors over."""

from __future__ import annotations

import torch
from torch import Tensor

from ticketbench import stacked_linear
from ticketbench.engine.withheld import Withheld
from ticketbench.kernels.product import weight_gradient

F, B = 2, 5


def weights() -> dict[str, Tensor]:
    """Of four layers without biases."""
    source = torch.Generator().manual_seed(0)
    sizes = {"once": (4, 3), "twice": (4, 4), "elsewhere": (4, 4), "last": (2, 4)}
    return {
        name: torch.randn(F, *size, generator=source, dtype=torch.float64).requires_grad_()
        for name, size in sizes.items()
    }


def loss(parts: dict[str, Tensor]) -> Tensor:
    """A network that has one weight in two layers, and a penalty on another."""
    inputs = torch.randn(F, B, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    thought = stacked_linear(inputs, parts["once"]).tanh()
    thought = stacked_linear(stacked_linear(thought, parts["twice"]).tanh(), parts["twice"])
    thought = stacked_linear(thought, parts["elsewhere"])
    return stacked_linear(thought, parts["last"]).square().sum() + parts["elsewhere"].square().sum()


def test_only_weights_of_one_layer_and_nothing_else_are_products():
    """Not the one of two layers, and not the one with a penalty, whose gradient is more."""
    parts = weights()
    expected = dict(zip(parts, torch.autograd.grad(loss(parts), list(parts.values())), strict=True))
    watch = Withheld(parts, watching=True)
    with watch.collecting():
        gradients = dict(zip(parts, torch.autograd.grad(loss(parts), list(parts.values())), strict=True))
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name])
    assert watch.sole_products(gradients) == ["last", "once"]


def test_factors_come_also_from_a_first_layer_without_a_bias():
    """Its inputs need no gradient and its weight asks for none: the anchor brings the pass there."""
    parts = weights()
    expected = torch.autograd.grad(loss(parts), [parts["once"], parts["last"]])
    withheld = Withheld({name: parts[name] for name in ("once", "last")})
    with withheld.collecting():
        torch.autograd.grad(loss(parts), [parts["twice"], parts["elsewhere"], withheld.anchor], allow_unused=True)
    assert withheld.factors.keys() == {"once", "last"}
    for name, gradient in zip(("once", "last"), expected, strict=True):
        (factors,) = withheld.factors[name]
        torch.testing.assert_close(weight_gradient(*factors), gradient)


def test_nothing_is_collected_outside():
    """Where nobody collects, a layer is a layer."""
    parts = weights()
    withheld = Withheld(parts)
    torch.autograd.grad(loss(parts), list(parts.values()))
    assert withheld.factors == {}
