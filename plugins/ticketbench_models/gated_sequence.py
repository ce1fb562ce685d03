"""A gated recurrent unit over a whole sequence with a backward pass written by hand, for many members on a CPU.

Autograd takes a step's weight gradient at each step and adds it up; here one product at the end has all steps.
Member after member, so that a member's weights stay in the caches. What a pass writes lies in buffers that are used
again: fresh memory takes time, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Buffers = tuple[Tensor, ...]


class Lender:
    """Buffers of one shape, lent for a forward pass and given back by its backward pass.

    Forward passes that overlap get buffers of their own; those of a pass that is dropped go with it.
    """

    def __init__(self) -> None:
        self.shape: tuple[Any, ...] = ()
        self.free: list[Buffers] = []

    def lend(self, like: Tensor, members: int, steps: int, batch: int, hidden: int) -> Buffers:
        """Gates, candidates' hidden products and states, the first of which is zero."""
        if self.shape != (like.dtype, members, steps, batch, hidden):
            self.shape, self.free = (like.dtype, members, steps, batch, hidden), []
        if self.free:
            return self.free.pop()
        gates = like.new_empty(members, steps, batch, 3 * hidden)
        products, states = (
            gates.new_empty(members, steps, batch, hidden),
            gates.new_zeros(members, steps + 1, batch, hidden),
        )
        products[:, 0] = 0  # the first state is zero, so that nothing is ever written there by a forward pass
        return gates, products, states

    def take_back(self, buffers: Buffers) -> None:
        """Use them again, unless other shapes are asked for by now."""
        gates, products, _ = buffers
        members, steps, batch, hidden = products.shape
        if self.shape == (gates.dtype, members, steps, batch, hidden):
            products[:, 0] = 0
            self.free.append(buffers)


class GatedSequence(torch.autograd.Function):
    """The last state of h_t = (1 − z) n + z h_{t−1}, h_0 = 0, of every member; x (fleet, steps, batch, features).

    r, z = σ(W x + b + U h), q = U h of the candidate's rows, n = tanh(W x + b + r q). With g = ∂L/∂h_t:
    ∂z = g (h_{t−1} − n) and ∂n = g (1 − z) before their squashing, ∂q = ∂n r and ∂r = ∂n q after that of n.
    The backward pass writes over what the forward pass kept, so that it can run once only.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs_fsbi: Tensor, from_input: Tensor, from_hidden: Tensor, bias: Tensor, lender: Lender
    ) -> Tensor:
        """Member after member, step by step."""
        members, steps, batch, _ = inputs_fsbi.shape
        hidden = from_hidden.shape[2]
        ctx.save_for_backward(inputs_fsbi, from_input, from_hidden)
        ctx.lender, ctx.lent = lender, lender.lend(from_hidden, members, steps, batch, hidden)
        for member, (gates, products, states) in enumerate(zip(*ctx.lent, strict=True)):
            rows = inputs_fsbi[member].flatten(0, 1)
            torch.addmm(bias[member], rows, from_input[member].mT, out=gates.flatten(0, 1))
            to_both, to_candidate = torch.split(from_hidden[member].mT, [2 * hidden, hidden], dim=1)
            for step in range(steps):
                both, candidate = torch.split(gates[step], [2 * hidden, hidden], dim=1)
                if step:
                    both.addmm_(states[step], to_both)
                    torch.mm(states[step], to_candidate, out=products[step])
                reset, update = both.sigmoid_().chunk(2, dim=1)
                candidate.addcmul_(reset, products[step]).tanh_()
                torch.lerp(candidate, states[step], update, out=states[step + 1])
        last: Tensor = ctx.lent[2][:, -1]
        return last.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, None]:
        """Step by step from the end, then one product a weight."""
        if ctx.lent is None:
            raise RuntimeError("this backward pass has run already, and it keeps nothing: compute the forward again")
        (inputs_fsbi, from_input, from_hidden), lent = ctx.saved_tensors, ctx.lent
        ctx.lent = None
        two = 2 * from_hidden.shape[2]
        to_states = gradients[0].clone(memory_format=torch.contiguous_format)
        to_inputs = torch.empty_like(inputs_fsbi) if ctx.needs_input_grad[0] else None
        to_input_weight, to_hidden_weight = torch.empty_like(from_input), torch.empty_like(from_hidden)
        to_bias = from_input.new_empty(from_input.shape[:2])
        for member, (gates, products, states) in enumerate(zip(*lent, strict=True)):
            unroll(gates, products, states, from_hidden[member], to_states[member])
            to_hidden, to_candidate = gates.flatten(0, 1), products.flatten(0, 1)
            to_both, rows = to_hidden[:, :two], inputs_fsbi[member].flatten(0, 1)
            torch.mm(gates[1:].flatten(0, 1).mT, states[1:-1].flatten(0, 1), out=to_hidden_weight[member])
            for part, block in ((to_both, slice(None, two)), (to_candidate, slice(two, None))):
                torch.mm(part.mT, rows, out=to_input_weight[member, block])
                torch.sum(part, dim=0, out=to_bias[member, block])
            if to_inputs is not None:
                flat = torch.mm(to_both, from_input[member, :two])
                to_inputs[member] = flat.addmm_(to_candidate, from_input[member, two:]).view(to_inputs[member].shape)
        ctx.lender.take_back(lent)
        return to_inputs, to_input_weight, to_hidden_weight, to_bias, None


def unroll(gates: Tensor, products: Tensor, states: Tensor, from_hidden: Tensor, to_state: Tensor) -> None:
    """Gradients of a member in place: in `gates` of all hidden products, in `products` of the candidates' sums."""
    to_gate, to_candidate = torch.empty_like(to_state), torch.empty_like(to_state)
    for step in reversed(range(len(gates))):
        reset, update, candidate = gates[step].chunk(3, dim=1)
        torch.sub(states[step], candidate, out=to_gate).mul_(to_state)
        torch.addcmul(to_state, to_state, update, value=-1, out=to_candidate)
        to_state.mul_(update)
        through_sigmoid(to_gate, update, update)
        through_tanh(to_candidate, candidate, to_candidate)
        torch.mul(to_candidate, products[step], out=to_gate)
        torch.mul(to_candidate, reset, out=candidate)
        through_sigmoid(to_gate, reset, reset)
        products[step].copy_(to_candidate)
        if step:
            to_state.addmm_(gates[step], from_hidden)


def through_sigmoid(gradient: Tensor, value: Tensor, out: Tensor) -> None:
    """out = gradient · σ(1 − σ) in one pass; `out` may be either of the two."""
    torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=out)


def through_tanh(gradient: Tensor, value: Tensor, out: Tensor) -> None:
    """out = gradient · (1 − tanh²) in one pass; `out` may be either of the two."""
    torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=out)


def gated_sequence(
    inputs_fsbi: Tensor, from_input: Tensor, from_hidden: Tensor, bias: Tensor, lender: Lender
) -> Tensor:
    """The last state of every member, (fleet, batch, hidden); differentiable once."""
    states: Tensor = GatedSequence.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
        inputs_fsbi, from_input, from_hidden, bias, lender
    )
    return states
