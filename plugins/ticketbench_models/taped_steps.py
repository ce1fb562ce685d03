"""A step of each cell on a tape, which the sparse engine computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ticketbench import Tape, Value

States = Sequence[Value | None]
"""What a step hands on; None where it is zero."""


class TapedStep(ABC):
    """What a cell writes for a step that reads some features, in a layer whose weights are named by their role."""

    @abstractmethod
    def write(self, tape: Tape, features: Value, states: States) -> tuple[Value, ...]:
        """The states after the step."""


def sums(tape: Tape, features: Value, states: States, rows: tuple[int, int] | None = None) -> Value:
    """W x + b + U h, of some rows; the last state that is given is the memory c, for V c, where there are two."""
    found = tape.linear("from_input", features, bias="bias", rows=rows)
    for weight, state in zip(("from_hidden", "from_peephole"), states, strict=False):
        if state is not None:
            tape.linear(weight, state, rows=rows, onto=found)
    return found


class TapedState(TapedStep):
    """h' = tanh(W x + b + U h)."""

    def write(self, tape: Tape, features: Value, states: States) -> tuple[Value, ...]:
        """The hidden state."""
        return (tape.tanh(sums(tape, features, states)),)


class TapedGated(TapedStep):
    """h' = (1 − z) n + z h, whose candidate n reads the hidden product apart."""

    def write(self, tape: Tape, features: Value, states: States) -> tuple[Value, ...]:
        """The hidden state."""
        (before,) = states
        gates, loop = tape.linear("from_input", features, bias="bias"), None
        if before is not None:
            early, rows = 2 * before.channels, 3 * before.channels
            tape.linear("from_hidden", before, rows=(0, early), onto=tape.part(gates, 0, early))
            loop = tape.linear("from_hidden", before, rows=(early, rows))
        return (tape.gated(gates, loop, before),)


class TapedMemory(TapedStep):
    """c' = f c + i g and h' = o tanh(c')."""

    peephole = False

    def write(self, tape: Tape, features: Value, states: States) -> tuple[Value, ...]:
        """The memory first, which with a peephole the output gate sees."""
        hidden, before = states
        rows = tape.shapes["bias"][0]
        early, late = (0, 3 * rows // 4), (3 * rows // 4, rows)
        seen = (hidden, before) if self.peephole else (hidden,)
        memory = tape.remember(sums(tape, features, seen, early), before)
        seen = (hidden, memory) if self.peephole else (hidden,)
        return tape.reveal(sums(tape, features, seen, late), memory), memory


class TapedPeephole(TapedMemory):
    """The same, with V c in the sums of i, f and g, and V c' in that of o."""

    peephole = True
