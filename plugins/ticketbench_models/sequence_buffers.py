"""The tensors that a written pass over a sequence works in, and their reuse: fresh memory takes time, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

Index = Any
"""A member's number, or `...` for all members together."""


class Step(NamedTuple):
    """Views of one step, (batch, …) of a member or (fleet, batch, …) of all."""

    gates: Tensor
    """A block of columns for each gate: sums, then gates, then the gradients of the sums."""
    loop: Tensor
    """What the cell keeps apart of its hidden product; no columns where it keeps nothing apart."""
    before: tuple[Tensor, ...]
    """The states before the step; the hidden state comes first."""
    after: tuple[Tensor, ...]
    """The states after it."""
    blank: bool
    """Whether the states before it are zeros, so that products with them need not be taken."""


@dataclass(frozen=True)
class Buffers:
    """All steps: gates and loops (fleet, steps, batch, columns), states (fleet, steps + 1, batch, hidden)."""

    gates: Tensor
    loops: Tensor
    states: tuple[Tensor, ...]

    def part(self, index: Index) -> Buffers:
        """Views of a member's, without the fleet axis, or of all members'."""
        return Buffers(self.gates[index], self.loops[index], tuple(state[index] for state in self.states))

    def step(self, at: int, blank: bool) -> Step:
        """Views of a step; `blank`: the sequence starts from zeros."""
        gates, loop = self.gates.select(-3, at), self.loops.select(-3, at)
        before, after = (tuple(state.select(-3, place) for state in self.states) for place in (at, at + 1))
        return Step(gates, loop, before, after, blank and at == 0)


class Form(NamedTuple):
    """What decides about the buffers of a pass."""

    members: int
    steps: int
    batch: int
    hidden: int
    gates: int
    """Blocks of gates."""
    loops: int
    """Blocks that are kept apart."""
    states: int
    """Tensors that are handed from step to step."""

    def fresh(self, like: Tensor) -> Buffers:
        """New buffers in the type and on the device of a tensor."""
        lead = (self.members, self.steps, self.batch)
        states = (like.new_empty(self.members, self.steps + 1, self.batch, self.hidden) for _ in range(self.states))
        gates, loops = (like.new_empty(*lead, blocks * self.hidden) for blocks in (self.gates, self.loops))
        return Buffers(gates, loops, tuple(states))


class Lender:
    """Buffers of one form, lent for a forward pass and given back by its backward pass.

    Forward passes that overlap get buffers of their own; those of a pass that is dropped go with it. For a CPU alone:
    a captured graph would go on writing to buffers that were dropped here.
    """

    def __init__(self) -> None:
        self.kind: tuple[Any, ...] = ()
        self.free: list[Buffers] = []

    def lend(self, form: Form, like: Tensor) -> Buffers:
        """Buffers that hold anything."""
        if self.kind != (form, like.dtype):
            self.kind, self.free = (form, like.dtype), []
        return self.free.pop() if self.free else form.fresh(like)

    def take_back(self, buffers: Buffers, form: Form) -> None:
        """Use them again, unless another form is asked for by now."""
        if self.kind == (form, buffers.gates.dtype):
            self.free.append(buffers)
