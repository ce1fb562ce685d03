"""A step of each cell, forward and backward, as the pass over a whole sequence takes it: products and gates in place.

Everything works on the matrices of one member, or on those of a fleet in batched products. What all cells share, the
products with the hidden state, is in `sequence.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ticketbench_models.products import Products
from ticketbench_models.sequence_buffers import Buffers, Step

Weights = Mapping[str, Tensor]
"""Role -> weight, (rows, columns) of a member or (fleet, rows, columns)."""


class Tools(NamedTuple):
    """What a pass computes with."""

    pointwise: ModuleType
    """The functions of `gates.py`, or kernels with their names."""
    products: Products


class WrittenStep(ABC):
    """What a cell does between its products with the hidden state."""

    apart: ClassVar[int] = 0
    """How many gates, at the end, keep their hidden product apart from the sum."""
    leaks: ClassVar[bool] = False
    """Whether a hidden state holds some of the one before without a weight."""

    @abstractmethod
    def forward(self, step: Step, weights: Weights, tools: Tools) -> None:
        """The states after a step, from sums that have the input and hidden products."""

    @abstractmethod
    def backward(self, step: Step, weights: Weights, to_states: Sequence[Tensor], tools: Tools) -> None:
        """From gradients of the states after a step those of the sums, and of the states before it in `to_states`.

        The gradient that reaches a hidden state through its weight is not there yet; unless the cell leaks, what is
        left in its place means nothing.
        """

    def weight_gradients(self, part: Buffers, first: int, out: Weights, products: Products) -> None:
        """Those of the weights that read states, over all steps from `first` on in one product."""
        products.put(out["hidden"], rows(part.gates, first).mT, rows(part.states[0], first, -1))


class StateStep(WrittenStep):
    """h' = tanh(a)."""

    def forward(self, step: Step, weights: Weights, tools: Tools) -> None:
        """The hidden state."""
        tools.pointwise.state_forward(step.gates, step.after[0])

    def backward(self, step: Step, weights: Weights, to_states: Sequence[Tensor], tools: Tools) -> None:
        """Through tanh."""
        tools.pointwise.state_backward(step.gates, step.after[0], to_states[0])


class GatedStep(WrittenStep):
    """h' = (1 − z) n + z h, whose candidate n reads the hidden product apart."""

    apart = 1
    leaks = True

    def forward(self, step: Step, weights: Weights, tools: Tools) -> None:
        """The hidden state."""
        tools.pointwise.gated_forward(step.gates, step.loop, step.before[0], step.after[0])

    def backward(self, step: Step, weights: Weights, to_states: Sequence[Tensor], tools: Tools) -> None:
        """Through the three gates; z ∂h' goes on."""
        tools.pointwise.gated_backward(step.gates, step.loop, step.before[0], to_states[0])


class MemoryStep(WrittenStep):
    """c' = f c + i g and h' = o tanh(c')."""

    def forward(self, step: Step, weights: Weights, tools: Tools) -> None:
        """The memory and the hidden state."""
        hidden, memory = step.after
        tools.pointwise.memory_forward(step.gates, step.before[1], memory, hidden)

    def backward(self, step: Step, weights: Weights, to_states: Sequence[Tensor], tools: Tools) -> None:
        """Through the four gates; f ∂c' goes on."""
        tools.pointwise.memory_backward(step.gates, step.before[1], step.after[1], *to_states)


class PeepholeStep(MemoryStep):
    """The same, with V c in the sums of i, f and g, and V c' in that of o."""

    def forward(self, step: Step, weights: Weights, tools: Tools) -> None:
        """The memory first, which the output gate sees."""
        old, (hidden, memory) = step.before[1], step.after
        early, late = halves(step.gates)
        to_early, to_late = (half.mT for half in halves(weights["peephole"], -2))
        if not step.blank:
            tools.products.add(early, old, to_early)
        tools.pointwise.enter_forward(step.gates, old, memory)
        tools.products.add(late, memory, to_late)
        tools.pointwise.leave_forward(step.gates, memory, hidden)

    def backward(self, step: Step, weights: Weights, to_states: Sequence[Tensor], tools: Tools) -> None:
        """The output gate first, whose sum is another way to the memory."""
        old, memory, (to_hidden, to_memory) = step.before[1], step.after[1], to_states
        early, late = halves(step.gates)
        to_early, to_late = halves(weights["peephole"], -2)
        tools.pointwise.leave_backward(step.gates, memory, to_hidden, to_memory)
        tools.products.add(to_memory, late, to_late)
        tools.pointwise.enter_backward(step.gates, old, to_memory)
        if not step.blank:
            tools.products.add(to_memory, early, to_early)

    def weight_gradients(self, part: Buffers, first: int, out: Weights, products: Products) -> None:
        """i, f and g see the memory before a step, o the one after it."""
        super().weight_gradients(part, first, out, products)
        early, late = halves(part.gates)
        to_early, to_late = halves(out["peephole"], -2)
        products.put(to_early, rows(early, first).mT, rows(part.states[1], first, -1))
        products.put(to_late, rows(late).mT, rows(part.states[1], 1))


def halves(blocks: Tensor, axis: int = -1) -> tuple[Tensor, Tensor]:
    """Three blocks of four, and the last one."""
    last = blocks.shape[axis] // 4
    early, late = torch.split(blocks, [3 * last, last], dim=axis)
    return early, late


def rows(steps: Tensor, first: int = 0, end: int | None = None) -> Tensor:
    """Some steps of (…, steps, batch, columns), with a row for every step and example."""
    return steps[..., first:end, :, :].flatten(-3, -2)
