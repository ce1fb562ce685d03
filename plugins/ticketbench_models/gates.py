"""What the gates of recurrent cells compute in a step, value by value, and its derivative, written in place.

Each function takes what all products of a step have added up to and leaves what the next needs. The last axis of
`gates` holds a block for each gate; before it there are a batch and, where there are many members, a fleet.
"""

from __future__ import annotations

import torch
from torch import Tensor


def state_forward(gates: Tensor, hidden: Tensor) -> None:
    """h = tanh(a) of sums a = `gates`."""
    torch.tanh(gates, out=hidden)


def state_backward(gates: Tensor, hidden: Tensor, to_hidden: Tensor) -> None:
    """∂a = ∂h (1 − h²), which is left in `gates`."""
    through_tanh(to_hidden, hidden, gates)


def gated_forward(gates: Tensor, loop: Tensor, before: Tensor, after: Tensor) -> None:
    """r, z = σ(a) and n = tanh(a + r q), which are left in `gates`; h' = n + z (h − n); `loop` is q."""
    both, candidate = torch.split(gates, [2 * loop.shape[-1], loop.shape[-1]], dim=-1)
    reset, update = both.sigmoid_().chunk(2, dim=-1)
    candidate.addcmul_(reset, loop).tanh_()
    torch.lerp(candidate, before, update, out=after)


def gated_backward(gates: Tensor, loop: Tensor, before: Tensor, to_hidden: Tensor) -> None:
    """∂r, ∂z and ∂q before their squashing in `gates`, ∂n in `loop`, and z ∂h' in `to_hidden`.

    With g = ∂h': ∂z = g (h − n) z (1 − z), ∂n = g (1 − z) (1 − n²), ∂q = ∂n r and ∂r = ∂n q r (1 − r).
    """
    reset, update, candidate = gates.chunk(3, dim=-1)
    to_gate, to_candidate = torch.empty_like(to_hidden), torch.empty_like(to_hidden)
    torch.sub(before, candidate, out=to_gate).mul_(to_hidden)
    torch.addcmul(to_hidden, to_hidden, update, value=-1, out=to_candidate)
    to_hidden.mul_(update)
    through_sigmoid(to_gate, update, update)
    through_tanh(to_candidate, candidate, to_candidate)
    torch.mul(to_candidate, loop, out=to_gate)
    torch.mul(to_candidate, reset, out=candidate)
    through_sigmoid(to_gate, reset, reset)
    loop.copy_(to_candidate)


def enter_forward(gates: Tensor, before: Tensor, memory: Tensor) -> None:
    """i, f = σ(a) and g = tanh(a), which are left in `gates`; c' = f c + i g. The fourth block is not touched."""
    units = memory.shape[-1]
    both, candidate, _ = torch.split(gates, [2 * units, units, units], dim=-1)
    enter, forget = both.sigmoid_().chunk(2, dim=-1)
    candidate.tanh_()
    torch.mul(forget, before, out=memory).addcmul_(enter, candidate)


def enter_backward(gates: Tensor, before: Tensor, to_memory: Tensor) -> None:
    """∂i, ∂f and ∂g before their squashing in `gates`, and f ∂c' in `to_memory`.

    With d = ∂c': ∂i = d g i (1 − i), ∂f = d c f (1 − f) and ∂g = d i (1 − g²).
    """
    enter, forget, candidate, _ = gates.chunk(4, dim=-1)
    to_enter, to_candidate, to_forget = to_memory * candidate, to_memory * enter, to_memory * before
    to_memory.mul_(forget)
    through_sigmoid(to_enter, enter, enter)
    through_sigmoid(to_forget, forget, forget)
    through_tanh(to_candidate, candidate, candidate)


def leave_forward(gates: Tensor, memory: Tensor, hidden: Tensor) -> None:
    """o = σ(a), which is left in the fourth block of `gates`; h' = o tanh(c')."""
    leave = gates[..., 3 * memory.shape[-1] :].sigmoid_()
    torch.tanh(memory, out=hidden).mul_(leave)


def leave_backward(gates: Tensor, memory: Tensor, to_hidden: Tensor, to_memory: Tensor) -> None:
    """∂o before its squashing in the fourth block of `gates`; adds ∂h' o (1 − tanh²c') to `to_memory`."""
    leave, squashed = gates[..., 3 * memory.shape[-1] :], torch.tanh(memory)
    to_squashed = to_hidden * leave
    through_sigmoid(to_hidden * squashed, leave, leave)
    through_tanh(to_squashed, squashed, to_squashed)
    to_memory.add_(to_squashed)


def memory_forward(gates: Tensor, before: Tensor, memory: Tensor, hidden: Tensor) -> None:
    """Both halves of a step whose output gate does not wait for the memory."""
    enter_forward(gates, before, memory)
    leave_forward(gates, memory, hidden)


def memory_backward(gates: Tensor, before: Tensor, memory: Tensor, to_hidden: Tensor, to_memory: Tensor) -> None:
    """The derivative of both halves."""
    leave_backward(gates, memory, to_hidden, to_memory)
    enter_backward(gates, before, to_memory)


def through_sigmoid(gradient: Tensor, value: Tensor, out: Tensor) -> None:
    """out = gradient · σ(1 − σ) in one pass; `out` may be either of the two."""
    torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=out)


def through_tanh(gradient: Tensor, value: Tensor, out: Tensor) -> None:
    """out = gradient · (1 − tanh²) in one pass; `out` may be either of the two."""
    torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=out)
