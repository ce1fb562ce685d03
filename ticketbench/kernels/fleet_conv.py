"""A convolution of every member of a fleet: three taps a dimension, padding 1, stride 1, no bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ticketbench.kernels.correlation import correlate, room, taps_gradient


class FleetConv:
    """A convolution's weights (F, O, C, 3[, 3]), arranged once for many calls; for passes written by hand.

    Everything it takes and gives has its channels last, (F, B, L, C) or (F, B, H, W, C), and lies in a tensor that
    `room` made, or in a slice of its batches; `moved_in` copies others there. No call is differentiable: `to_inputs`
    and `add_to_weight` are the two halves of the way back. `dtype` is what is multiplied, the weights' own by default;
    gradients of weights have the weights' own type, and are summed in fp32 at least.
    """

    @staticmethod
    def room(example: Tensor, batch: int) -> Tensor:
        """A place for a batch of another size with the example's members, positions, channels, type and device."""
        return room(example, batch)

    @staticmethod
    def moved_in(tensor: Tensor) -> Tensor:
        """A copy that lies in a room."""
        return room(tensor, tensor.shape[1]).copy_(tensor)

    def __init__(self, weight: Tensor, dtype: torch.dtype | None = None) -> None:
        self.weight = weight.detach()
        self.used = self.weight if dtype is None else self.weight.to(dtype)
        self.taps = self.used.movedim(2, -1).contiguous()
        self._back: Tensor | None = None

    def __call__(
        self, inputs: Tensor, added: Tensor | None = None, *, relu: bool = False, out: Tensor | None = None
    ) -> Tensor:
        """The convolution, with what is to be added to it and a ReLU after that; `out` may be `added`."""
        return correlate(inputs, self.taps, added, relu=relu, out=out)

    def to_inputs(
        self, gradients: Tensor, added: Tensor | None = None, *, gate: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        """The gradient of the inputs, with what is to be added to it, and zero where `gate` is not above zero.

        `gate` is what the inputs are, if they came out of a ReLU: then it is the gradient before that ReLU.
        """
        if self._back is None:
            positions = tuple(range(3, self.used.ndim))
            self._back = self.used.flip(positions).transpose(1, 2).movedim(2, -1).contiguous()
        return correlate(gradients, self._back, added, gate, out=out)

    def new_total(self) -> Tensor:
        """Zeros to sum gradients of the weights in, in the order of `taps`."""
        precise = torch.float64 if self.used.dtype == torch.float64 else torch.float32
        return torch.zeros_like(self.taps, dtype=precise)

    def add_to_weight(self, inputs: Tensor, gradients: Tensor, total: Tensor) -> None:
        """Add the gradient of the weights, from that of what a call on the inputs gave, to a total."""
        taps_gradient(inputs, gradients, total)

    def to_weight(self, total: Tensor) -> Tensor:
        """A total as the gradient of the weights: their shape, order and type."""
        return total.movedim(-1, 2).to(self.weight.dtype).contiguous()


class ConvOfFleet(torch.autograd.Function):
    """y = conv(x, W) + a, and a ReLU after it if asked for; channels last."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, added: Tensor | None, relu: bool, dtype: torch.dtype
    ) -> Tensor:
        """All members' convolutions, and what comes after them."""
        layer, inputs = FleetConv(weight, dtype), FleetConv.moved_in(inputs)
        outputs = layer(inputs, None if added is None else FleetConv.moved_in(added), relu=relu)
        ctx.save_for_backward(inputs, weight, outputs if relu else None)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """What flows back to the inputs, the weights and what was added; only what is needed."""
        inputs, weight, outputs = ctx.saved_tensors
        gradient = FleetConv.moved_in(gradients[0])
        if outputs is not None:
            gradient.masked_fill_(outputs <= 0, 0)
        layer = FleetConv(weight, inputs.dtype)
        to_inputs, to_weight, to_added, *_ = ctx.needs_input_grad
        weight_gradient = None
        if to_weight:
            total = layer.new_total()
            layer.add_to_weight(inputs, gradient, total)
            weight_gradient = layer.to_weight(total)
        return (
            layer.to_inputs(gradient) if to_inputs else None,
            weight_gradient,
            gradient if to_added else None,
            None,
            None,
        )


def fleet_conv(inputs: Tensor, weight: Tensor, added: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """A convolution of every member: inputs (F, B, C, L) or (F, B, C, H, W), weights (F, O, C, 3) or (F, O, C, 3, 3).

    `added` is added to it, and `relu` is taken of the sum. Results have the order of axes that the inputs have; in
    memory their channels lie last. Under autocast its lower precision
    is multiplied. Differentiable once.
    """
    dtype = inputs.dtype
    if torch.is_autocast_enabled(inputs.device.type) and dtype == torch.float32:
        dtype = torch.get_autocast_dtype(inputs.device.type)
    last = inputs.to(dtype).movedim(2, -1)
    beside = None if added is None else added.to(dtype).movedim(2, -1)
    outputs: Tensor = ConvOfFleet.apply(last, weight, beside, relu, dtype)  # type: ignore[no-untyped-call]
    return outputs.movedim(-1, 2)
