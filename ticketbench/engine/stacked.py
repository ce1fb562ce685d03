"""Products of many members at once, for models that supply their own stacked forward.

`vmap` turns a linear layer into batched products whose weight gradient comes out transposed and has to be copied
before an optimizer can use it. These functions compute it where it belongs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.withheld import COLLECTS, Withheld


class Linear(torch.autograd.Function):
    """y = x·Wᵀ + b for every member: x (fleet, batch, in), W (fleet, out, in), b (fleet, out)."""

    @staticmethod
    def forward(ctx: Any, inputs_fbi: Tensor, weight_foi: Tensor, bias_fo: Tensor | None) -> Tensor:
        """All members' products in one batched multiplication."""
        ctx.save_for_backward(inputs_fbi, weight_foi)
        ctx.biased = bias_fo is not None
        if bias_fo is None:
            return torch.bmm(inputs_fbi, weight_foi.transpose(1, 2))
        return torch.baddbmm(bias_fo.unsqueeze(1), inputs_fbi, weight_foi.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """∂x = g·W, ∂W = gᵀ·x in the weight's own layout, ∂b = Σ g; only what is needed."""
        (gradient_fbo,) = gradients
        # under autocast the product was taken in fewer bits than its factors have
        inputs_fbi, weight_foi = (saved.to(gradient_fbo.dtype) for saved in ctx.saved_tensors)
        to_inputs, to_weight, to_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient_fbo, weight_foi) if to_inputs else None,
            torch.bmm(gradient_fbo.transpose(1, 2), inputs_fbi) if to_weight else None,
            gradient_fbo.sum(dim=1) if ctx.biased and to_bias else None,
        )


class WithheldLinear(torch.autograd.Function):
    """The same layer, whose factors of the weight's gradient are handed over on the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs_fbi: Tensor,
        weight_foi: Tensor,
        bias_fo: Tensor | None,
        anchor: Tensor,
        way: tuple[Withheld, str],
    ) -> Tensor:
        """All members' products in one batched multiplication."""
        ctx.way = way
        return Linear.forward(ctx, inputs_fbi, weight_foi, bias_fo)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """∂x and ∂b; ∂W only where the gradients are watched."""
        (gradient_fbo,) = gradients
        inputs_fbi, weight_foi = ctx.saved_tensors
        withheld, name = ctx.way
        withheld.add(name, inputs_fbi, gradient_fbo)
        to_inputs, to_weight, to_bias = ctx.needs_input_grad[:3]
        return (
            torch.bmm(gradient_fbo, weight_foi) if to_inputs else None,
            torch.bmm(gradient_fbo.transpose(1, 2), inputs_fbi) if to_weight else None,
            gradient_fbo.sum(dim=1) if ctx.biased and to_bias else None,
            None,
            None,
        )


def stacked_linear(inputs_fbi: Tensor, weight_foi: Tensor, bias_fo: Tensor | None = None) -> Tensor:
    """A linear layer of every member; differentiable once."""
    withheld = COLLECTS.get()
    name = None if withheld is None else withheld.name_of(weight_foi)
    if withheld is None or name is None:
        outputs: Tensor = Linear.apply(inputs_fbi, weight_foi, bias_fo)  # type: ignore[no-untyped-call]
        return outputs
    weight = weight_foi if withheld.watching else weight_foi.detach()
    way = (withheld, name)
    collected: Tensor = WithheldLinear.apply(  # type: ignore[no-untyped-call]
        inputs_fbi, weight, bias_fo, withheld.anchor, way
    )
    return collected
