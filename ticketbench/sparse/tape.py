"""A tape: what a network computes, as a list of operations on activations.

A model writes its forward on one, operation after operation. The engine makes a program of it for the machine: a
forward pass, and a training step with the way back, both over live weights alone. Activations have channels, in each of
them lines of places: a vector has a place a channel, a string one line, an image several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ticketbench.sparse.assembled import Assembled
from ticketbench.sparse.cells import Gated, LeaveState, LookUp, Remember, Reveal, TakeUp, Tanh
from ticketbench.sparse.code import Code, Mode
from ticketbench.sparse.convolution import Convolution
from ticketbench.sparse.fitting import (
    addend_fits,
    answer_fits,
    cell_fits,
    convolution_fits,
    linear_fits,
    require,
)
from ticketbench.sparse.memory import LANES
from ticketbench.sparse.operation import Operation
from ticketbench.sparse.operations import Load, Pooling, Product, Relu
from ticketbench.sparse.value import Buffer
from ticketbench.sparse.value import Output as Output
from ticketbench.sparse.value import Value as Value

if TYPE_CHECKING:
    from torch import nn


NEAR_BYTES = 1 << 19
"""Bytes of the widest activations that are near enough."""


@dataclass
class Tape:
    """Operations in order, the buffers that they work on, and what comes out."""

    shapes: dict[str, tuple[int, ...]]
    """Of the network's parameters by name."""
    buffers: list[Buffer] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    answers: list[Output] = field(default_factory=list)

    @classmethod
    def of(cls, module: nn.Module) -> Tape:
        """An empty one, for the parameters of a network."""
        return cls({name: tuple(parameter.shape) for name, parameter in module.named_parameters()})

    def value(self, channels: int, lines: int = 1, places: int = 1) -> Value:
        """New activations, which an operation is to give."""
        require(min(channels, lines, places) > 0, f"there are no activations of {channels} × {lines} × {places}")
        self.buffers.append(Buffer(channels, lines, places))
        return Value(len(self.buffers) - 1, channels, lines, places)

    def write(self, operation: Operation) -> tuple[Value, ...]:
        """The next operation; what it gives."""
        self.operations.append(operation)
        return operation.writes

    # -- what models write ---------------------------------------------------------------------------------

    def inputs(self, shape: Sequence[int]) -> Value:
        """The numbers of an example: a vector, a string (channels, length) or an image (channels, height, width)."""
        channels, lines, places = {1: (*shape, 1, 1), 2: (shape[0], 1, shape[-1]), 3: tuple(shape)}[len(shape)]
        value = self.value(channels, lines, places)
        self.write(Load((), (value,)))
        return value

    def linear(
        self,
        weight: str,
        *reads: Value,
        bias: str = "",
        addend: Value | None = None,
        relu: bool = False,
        rows: tuple[int, int] | None = None,
        onto: Value | None = None,
    ) -> Value:
        """W·x + b (+ an addend), of the features of all that is read in a row; or some rows of it.

        With `onto`, a sum that nobody has read yet, that sum has all of this in it afterwards.
        """
        start, stop = rows or (0, self.shapes[weight][0])
        linear_fits(self.shapes, weight, bias, reads, (start, stop))
        if onto is not None and (relu or addend is not None or onto.size != stop - start):
            raise ValueError(f"'{weight}' has {stop - start} rows to add, to a sum of as many and without a ReLU")
        value, addend = (self.value(stop - start), addend) if onto is None else (onto, onto)
        addend_fits(addend, value)
        self.write(Product(reads, (value,), weight, bias, addend, relu, (start, stop)))
        return value

    def convolution(
        self,
        weight: str,
        *reads: Value,
        bias: str = "",
        padding: int = 0,
        addend: Value | None = None,
        relu: bool = False,
    ) -> Value:
        """A convolution of stride 1, of the channels of all that is read in a row; of strings or of images."""
        convolution_fits(self.shapes, weight, bias, reads, padding)
        outputs, _, *kernel = self.shapes[weight]
        size = (1, kernel[0]) if len(kernel) == 1 else (kernel[0], kernel[1])
        edges = (0, padding) if len(kernel) == 1 else (padding, padding)
        lines = reads[0].lines + 2 * edges[0] - size[0] + 1
        places = reads[0].places + 2 * edges[1] - size[1] + 1
        value = self.value(outputs, lines, places)
        addend_fits(addend, value)
        self.write(Convolution(reads, (value,), weight, bias, addend, relu, size, edges))
        for one in reads:
            self.buffers[one.number].widen(edges)
        self.buffers[value.number].edge = (max(0, size[0] - 1 - edges[0]), max(0, size[1] - 1 - edges[1]))
        return value

    def relu(self, value: Value) -> Value:
        """max(0, x)."""
        return self.write(Relu((value,), (self.value(*value.shape),)))[0]

    def pool(self, value: Value) -> Value:
        """The largest of each 2×2 window; an odd line or place at the end is left out."""
        channels, lines, places = value.shape
        return self.write(Pooling((value,), (self.value(channels, lines // 2, places // 2),)))[0]

    def tanh(self, value: Value) -> Value:
        """tanh(x)."""
        return self.write(Tanh((value,), (self.value(*value.shape),)))[0]

    def gated(self, sums: Value, loop: Value | None, before: Value | None) -> Value:
        """h' = (1 − z) n + z h, of r, z = σ(a) and n = tanh(a + r q); a, q and h are `sums`, `loop` and `before`.

        What is missing is zero. The sums, which nobody else reads, become gates.
        """
        units = sums.channels // 3
        cell_fits(sums, units, 3, loop, before)
        reads = (sums, *(one for one in (loop, before) if one is not None))
        return self.write(Gated(reads, (self.value(units),), loop, before))[0]

    def remember(self, sums: Value, before: Value | None) -> Value:
        """c' = f c + i g, of i, f = σ(a) and g = tanh(a). The sums, which nobody else reads, become gates."""
        units = sums.channels // 3
        cell_fits(sums, units, 3, before)
        reads = (sums,) if before is None else (sums, before)
        return self.write(Remember(reads, (self.value(units),), before))[0]

    def reveal(self, sums: Value, memory: Value) -> Value:
        """h = o tanh(c), of o = σ(a). The sums, which nobody else reads, become a gate."""
        cell_fits(sums, memory.channels, 1, memory)
        return self.write(Reveal((sums, memory), (self.value(memory.channels),)))[0]

    def look_up(self, table: str, place: int) -> Value:
        """The row of a parameter that is never trained, which an example's number at a place chooses."""
        rows, columns = self.shapes[table]
        return self.write(LookUp((), (self.value(columns),), table, rows, place))[0]

    def take_up(self, name: str, channels: int) -> Value:
        """The state that an earlier batch left under a name; zeros at first, and where none is carried."""
        return self.write(TakeUp((), (self.value(channels),), name))[0]

    def leave(self, name: str, value: Value) -> None:
        """Carry state on to the next batch, if any is carried."""
        self.write(LeaveState((value,), (), name))

    def part(self, value: Value, start: int, stop: int) -> Value:
        """Some channels of it."""
        fits = 0 <= start < stop <= value.channels
        require(fits, f"of {value.channels} channels none are from {start} to {stop}")
        return replace(value, first=value.first + start, channels=stop - start)

    def stopped(self, value: Value) -> Value:
        """The same activations, back from which no gradient goes."""
        return replace(value, stopped=True)

    def answer(self, *values: Value, share: float = 1.0) -> None:
        """An output, scores of classes (channels) at each place, whose cross entropy has this share of the loss.

        The places of several values are one behind the other.
        """
        answer_fits(self.buffers, values)
        self.answers.append(Output(values, share))

    # -- what is known of it -------------------------------------------------------------------------------

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that are read, in the network's order."""
        used = {name for operation in self.operations for name in operation.weights}
        return tuple(name for name in self.shapes if name in used)

    @property
    def tables(self) -> tuple[str, ...]:
        """The parameters that are read where they are, and never trained."""
        return tuple(dict.fromkeys(name for operation in self.operations for name in operation.tables))

    @property
    def carried(self) -> tuple[str, ...]:
        """The state that is carried from batch to batch."""
        return tuple(dict.fromkeys(name for operation in self.operations for name in operation.carried))

    @property
    def reads_words(self) -> bool:
        """Whether examples are whole numbers, by which rows of a table are looked up."""
        return bool(self.tables)

    @property
    def tile(self) -> int:
        """How many examples are computed side by side: as many as keep the widest strings or images near.

        Of vectors alone as many as there can be: each weight is read once for all of them. Convolutions have the places
        of a line side by side, too: for them as few as possible.
        """
        if any(isinstance(operation, Convolution) for operation in self.operations):
            return LANES
        sizes = [buffer.channels * buffer.lines * buffer.places for buffer in self.buffers if not buffer.is_vector]
        widest = max(sizes, default=0)
        return next((tile for tile in (64, 32) if 4 * widest * tile <= NEAR_BYTES), LANES)

    def program(
        self, tile: int, mode: Mode, weighted: bool = False, parameters: Sequence[str] | None = None
    ) -> Assembled:
        """The tape as instructions, for so many examples side by side.

        Live weights have to be of the same `parameters` in the same order: of all that the tape reads, or of more.
        """
        self._even()
        names = self.parameters if parameters is None else tuple(parameters)
        code = Code(self.buffers, self.operations, self.answers, names, tile, mode, weighted)
        return replace(code.compile(), shapes=tuple(self.shapes[name] for name in names))

    def _even(self) -> None:
        """Give what convolutions read together frames of the same size, as it is read in the same steps."""
        convolutions = [step for step in self.operations if isinstance(step, Convolution)]
        together = [[self.buffers[one.number] for one in step.reads] for step in convolutions]
        together = [held for held in together if len({id(buffer) for buffer in held}) > 1]
        frames = None
        while frames != (frames := [buffer.frame for buffer in self.buffers]):
            for held in together:
                for buffer in held:
                    for other in held:
                        buffer.widen(other.frame)
