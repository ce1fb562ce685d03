"""The functions of `gates.py`, each computed by one kernel of `gate_kernels.py`. Importing this file imports Triton."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import triton
from torch import Tensor

from ticketbench_models import gate_kernels

MOST_UNITS = 512
"""Units that one program computes at most."""


def state_forward(gates: Tensor, hidden: Tensor) -> None:
    """h = tanh(a)."""
    launch(gate_kernels.state_pass, hidden, gates, hidden, hidden, backward=False)


def state_backward(gates: Tensor, hidden: Tensor, to_hidden: Tensor) -> None:
    """∂a from ∂h."""
    launch(gate_kernels.state_pass, hidden, gates, hidden, to_hidden, backward=True)


def gated_forward(gates: Tensor, loop: Tensor, before: Tensor, after: Tensor) -> None:
    """r, z and n in place, and h'."""
    launch(gate_kernels.gated_pass, after, gates, loop, before, after, backward=False)


def gated_backward(gates: Tensor, loop: Tensor, before: Tensor, to_hidden: Tensor) -> None:
    """∂r, ∂z and ∂q in place, ∂n in `loop`, and z ∂h' in `to_hidden`."""
    launch(gate_kernels.gated_pass, to_hidden, gates, loop, before, to_hidden, backward=True)


def enter_forward(gates: Tensor, before: Tensor, memory: Tensor) -> None:
    """i, f and g in place, and c'."""
    launch(gate_kernels.memory_forward_pass, memory, gates, before, memory, memory, enters=True, leaves=False)


def enter_backward(gates: Tensor, before: Tensor, to_memory: Tensor) -> None:
    """∂i, ∂f and ∂g in place, and f ∂c' in `to_memory`."""
    given = (gates, before, before, to_memory, to_memory)
    launch(gate_kernels.memory_backward_pass, to_memory, *given, enters=True, leaves=False)


def leave_forward(gates: Tensor, memory: Tensor, hidden: Tensor) -> None:
    """o in place, and h'."""
    launch(gate_kernels.memory_forward_pass, memory, gates, memory, memory, hidden, enters=False, leaves=True)


def leave_backward(gates: Tensor, memory: Tensor, to_hidden: Tensor, to_memory: Tensor) -> None:
    """∂o in place, and its share of ∂c' added to `to_memory`."""
    given = (gates, memory, memory, to_hidden, to_memory)
    launch(gate_kernels.memory_backward_pass, memory, *given, enters=False, leaves=True)


def memory_forward(gates: Tensor, before: Tensor, memory: Tensor, hidden: Tensor) -> None:
    """All four gates in place, c' and h'."""
    launch(gate_kernels.memory_forward_pass, memory, gates, before, memory, hidden, enters=True, leaves=True)


def memory_backward(gates: Tensor, before: Tensor, memory: Tensor, to_hidden: Tensor, to_memory: Tensor) -> None:
    """The gradients of all four sums in place, and f ∂c' in `to_memory`."""
    given = (gates, before, memory, to_hidden, to_memory)
    launch(gate_kernels.memory_backward_pass, memory, *given, enters=True, leaves=True)


def launch(kernel: Any, states: Tensor, *tensors: Tensor, **kinds: bool) -> None:
    """Start a kernel with a program for each example, and as many for its units as it takes.

    `states` has a batch and units, and a fleet before them where there are many members, as all tensors do.
    """
    batch, units = states.shape[-2:]
    rows = states.numel() // units
    block = min(MOST_UNITS, triton.next_power_of_2(units))
    given = [part for tensor in tensors for part in addressed(tensor)]
    on = torch.cuda.device(states.device) if states.is_cuda else nullcontext()  # else they start on the current GPU
    with on:
        kernel[(rows, triton.cdiv(units, block))](*given, batch, units, **kinds, block=block, enable_fp_fusion=False)


def addressed(tensor: Tensor) -> tuple[Tensor, int, int]:
    """A tensor with its strides over fleet and batch."""
    if tensor.dtype != torch.float32 or tensor.stride(-1) != 1:
        raise ValueError(
            f"a kernel of gates takes fp32 values that lie side by side, not {tensor.dtype} "
            f"in strides of {tensor.stride()}: take the functions of gates.py"
        )
    return tensor, tensor.stride(0) if tensor.ndim == 3 else 0, tensor.stride(-2)
