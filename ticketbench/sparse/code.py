"""From a tape to a program: where every buffer lies and when, and the instructions of both ways.

Buffers share memory: each is there from its first use to its last. A forward pass over hundreds of iterations therefore
takes as much as two of them; a training step keeps what its way back reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from ticketbench.sparse.assembled import Assembled
from ticketbench.sparse.library import INSTRUCTION_WORDS
from ticketbench.sparse.memory import LANES, BufferSide, Lifetime, laid_out
from ticketbench.sparse.value import Buffer, Output, Value

OPERATIONS = (
    *("product", "product_back", "load", "store", "cross_entropy", "copy", "add", "relu", "gate", "frame", "zero"),
    *("pool", "pool_back"),
    *("squash", "squash_back", "gated", "gated_back", "remember", "remember_back", "reveal", "reveal_back", "look_up"),
    *("convolve", "convolve_back", "convolve_down"),
)
"""As `native/machine.c` counts them."""
INPUTS, TARGETS, SHARES, FIRST_OUTPUT = range(4)
"""Streams: examples, classes, what each place counts, then outputs or what comes back to them, answer by answer, and
then tensors of the network that are not among the live weights."""

Mode = Literal["forward", "train", "pull"]
"""Outputs; a step of training; gradients from given gradients of the outputs."""
AnswerPart = tuple[int, Value, tuple[int, int]]
"""Of an answer: its number, some of its places, and how many it has in all and the first of these."""


class TapeStep(Protocol):
    """What is known of an operation here."""

    @property
    def reads(self) -> tuple[Value, ...]:
        """What it reads."""
        ...

    @property
    def writes(self) -> tuple[Value, ...]:
        """What it gives."""
        ...

    @property
    def read(self) -> tuple[Value, ...]:
        """Of what it reads, what it needs on its way back."""
        ...

    @property
    def written(self) -> tuple[Value, ...]:
        """Of what it gives, what it needs on its way back."""
        ...

    @property
    def trains(self) -> bool:
        """Whether what it gives depends on weights, whatever it reads."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """Parameters that it reads where they are, and which are never trained."""
        ...

    @property
    def carried(self) -> tuple[str, ...]:
        """State that it takes up or leaves."""
        ...

    def forward(self, code: Code) -> None:
        """Write its instructions."""
        ...

    def backward(self, code: Code) -> None:
        """Write those of its way back."""
        ...


@dataclass(frozen=True)
class Layout:
    """How a buffer lies in memory."""

    channel: int
    line: int
    inside: int
    """From its beginning to its first place that is no frame."""
    size: int


@dataclass
class Code:
    """Writes the program of a tape. It is written twice: to learn what is used when, and then with addresses."""

    buffers: Sequence[Buffer]
    steps: Sequence[TapeStep]
    answers: Sequence[Output]
    parameters: tuple[str, ...]
    tile: int
    mode: Mode
    weighted: bool = False
    """Whether each place has a share of the loss of its own."""
    lines: list[list[int]] = field(default_factory=list)
    pool: list[np.ndarray] = field(default_factory=list)
    lives: dict[BufferSide, Lifetime] = field(default_factory=dict)
    addresses: dict[BufferSide, int] = field(default_factory=dict)
    _tables: dict[object, int] = field(default_factory=dict)
    _pooled: int = 0
    _step: int = 0
    _room: int = 0
    _arena: int = 0
    _given: set[int] = field(default_factory=set)
    _trained: set[int] = field(default_factory=set)

    def compile(self) -> Assembled:
        """The program."""
        self._parts = {name: number for number, name in enumerate(self.parameters)}
        self._trained = self._depending()
        self._parts_of_answers = self._answering()
        tables = tuple(dict.fromkeys(name for operation in self.steps for name in operation.tables))
        carried = tuple(dict.fromkeys(name for operation in self.steps for name in operation.carried))
        self._outside = (*tables, *carried)
        self._write()
        self.addresses, arena = laid_out(self.lives, self._size)
        self._arena = arena
        self.lines, self.pool, self._tables, self._pooled, self._given = [], [], {}, 0, set()
        self._write()
        pool = np.concatenate(self.pool) if self.pool else np.zeros(1, np.int32)
        instructions = np.zeros((len(self.lines), INSTRUCTION_WORDS), np.int64)
        for number, line in enumerate(self.lines):
            instructions[number, : len(line)] = line
        shapes = tuple(answer.shape for answer in self.answers)
        numbers = (arena + self._room, self.tile, self.parameters, shapes, tables, carried)
        return Assembled(instructions, pool.astype(np.int32), *numbers)

    # -- what operations write -----------------------------------------------------------------------------

    def add(self, what: str, *words: int) -> None:
        """An instruction."""
        self.lines.append([OPERATIONS.index(what), *words])

    def at(self, value: Value) -> int:
        """Where the first place of its activations lies."""
        return self._address("a", value)

    def gradient(self, value: Value) -> int:
        """Where that of its gradients lies."""
        return self._address("g", value)

    def give(self, value: Value, whole: bool = False) -> None:
        """Somebody is about to add to its gradients, or (whole) to write all of them: who comes first finds zeros."""
        if value.number not in self._given:
            self._given.add(value.number)
            self._touch(("g", value.number))
            if not whole:
                self.add("zero", self.addresses.get(("g", value.number), 0), self.form(value, gradients=True).size)
        elif whole:
            raise ValueError("what is an answer of a tape cannot be read by others, too")

    def fresh(self, value: Value) -> bool:
        """Whether it is the first to add to the gradients of a whole buffer, which it then has to write instead."""
        if value.number in self._given or value.channels != self.buffers[value.number].channels:
            self.give(value)
            return False
        self.give(value, whole=True)
        return True

    def consume(self, value: Value) -> None:
        """Somebody is about to write its gradients who alone has read it, and left something else in its place."""
        if not self.fresh(value):
            raise ValueError("the sums of a recurrent cell are read by it alone")

    def room(self, numbers: int) -> int:
        """Where so many numbers can be written that one instruction needs alone."""
        self._room = max(self._room, -(-numbers // LANES) * LANES)
        return self._arena

    def wants(self, value: Value) -> bool:
        """Whether its gradients are of any use."""
        return value.number in self._trained and not value.stopped

    def form(self, value: Value, gradients: bool = False) -> Layout:
        """How its buffer lies in memory, or that of its gradients."""
        buffer = self.buffers[value.number]
        above, before = buffer.edge if gradients else buffer.frame
        line = (buffer.places + 2 * before) * self.tile
        channel = (buffer.lines + 2 * above) * line
        return Layout(channel, line, above * line + before * self.tile, buffer.channels * channel)

    def numbers(self, *values: Value) -> int:
        """How many the first one has in a tile, one after the other as in all of them."""
        if any(held != (0, 0) for one in values for held in (self._held(one).frame, self._held(one).edge)):
            raise ValueError("what recurrent cells compute has no zeros around it: no convolution gives or reads it")
        return values[0].size * self.tile

    def _held(self, value: Value) -> Buffer:
        return self.buffers[value.number]

    def part(self, name: str) -> int:
        """The number of a parameter."""
        return self._parts[name]

    def outside(self, name: str) -> int:
        """The number of the stream of a table, or of state."""
        return FIRST_OUTPUT + len(self.answers) + self._outside.index(name)

    def table(
        self,
        reads: Sequence[Value],
        kernel: tuple[int, int] | None = None,
        padding: tuple[int, int] = (0, 0),
        gradients: bool = False,
        origin: int = 0,
    ) -> int:
        """Where in the pool it says for each column of a weight how far from an origin its run begins.

        -1 stands for unwanted gradients.
        """
        places = [(self.gradient(one) if self.wants(one) else None) if gradients else self.at(one) for one in reads]
        bases = tuple(None if place is None else place - origin for place in places)
        forms = tuple(self.form(one, gradients) for one in reads)
        key = (tuple(one.shape for one in reads), forms, bases, kernel, padding)
        return self.pooled(
            key,
            lambda: [
                self._runs(one, form, base, kernel, padding)
                for one, form, base in zip(reads, forms, bases, strict=True)
            ],
        )

    def pooled(self, key: object, numbers: Callable[[], Sequence[np.ndarray]]) -> int:
        """Where in the pool these numbers begin, which whoever has the same key shares."""
        if key not in self._tables:
            rows = numbers()
            self._tables[key] = self._pooled
            self.pool += rows
            self._pooled += sum(len(row) for row in rows)
        return self._tables[key]

    def _runs(
        self, value: Value, form: Layout, base: int | None, kernel: tuple[int, int] | None, padding: tuple[int, int]
    ) -> np.ndarray:
        lines, places = (value.lines, value.places) if kernel is None else kernel
        count = value.channels * lines * places
        if base is None:
            return np.full(count, -1, np.int64)
        channel, line, place = np.meshgrid(
            np.arange(value.channels), np.arange(lines), np.arange(places), indexing="ij"
        )
        runs = channel * form.channel + (line - padding[0]) * form.line + (place - padding[1]) * self.tile
        found: np.ndarray = runs.reshape(-1) + base
        return found

    def plain(
        self, what: str, to: int, source: int, value: Value, one: Layout | None = None, two: Layout | None = None
    ) -> None:
        """An instruction on activations of a value's shape alone, in buffers of these forms (its own if not given)."""
        own = self.form(value)
        first, second = one or own, two or own
        strides = (first.channel, first.line, second.channel, second.line)
        self.add(what, to, source, value.channels, value.lines, value.places * self.tile, *strides)

    def frame(self, value: Value, gradients: bool = False) -> None:
        """Zeros around the lines of what was written, or of its gradients."""
        buffer, form = self.buffers[value.number], self.form(value, gradients)
        above, before = buffer.edge if gradients else buffer.frame
        if above or before:
            start = (self.gradient(value) if gradients else self.at(value)) - form.inside
            sides = (above, buffer.lines, before * self.tile, buffer.places * self.tile)
            self.add("frame", start, value.channels, form.channel, form.line, *sides)

    def load(
        self, value: Value, stream: int, own: bool, gradients: bool = False, places: tuple[int, int] = (0, 0)
    ) -> None:
        """Rows of a stream, of single precision or (own) of the machine's; `places` of it from a first one, or all."""
        form, to = self.form(value, gradients), self.gradient(value) if gradients else self.at(value)
        self.add("load", stream, to, *value.shape, form.channel, form.line, int(own), -1, 0, *places)

    def store(self, value: Value, stream: int, own: bool, places: tuple[int, int] = (0, 0)) -> None:
        """The reverse."""
        form = self.form(value)
        self.add("store", stream, self.at(value), *value.shape, form.channel, form.line, int(own), -1, 0, *places)

    # -- both passes ---------------------------------------------------------------------------------------

    def _write(self) -> None:
        self._step = 0
        for at, operation in enumerate(self.steps):
            self._step += 1
            if not self._late(at):
                operation.forward(self)
            if self.mode == "forward":
                self._answer(at)
        if self.mode == "forward":
            return
        for at, operation in reversed([*enumerate(self.steps)]):
            if at not in self._parts_of_answers and not any(one.number in self._given for one in operation.writes):
                continue
            self._step += 1
            for value in (*operation.read, *operation.written):
                self._touch(("a", value.number))
            if self._late(at):
                operation.forward(self)
            self._enter(at)
            operation.backward(self)

    def _late(self, at: int) -> bool:
        """Whether an operation waits until the way back begins, as scores do: they are large, and nobody reads them."""
        if self.mode == "forward" or at not in self._parts_of_answers:
            return False
        written = {value.number for value in self.steps[at].writes}
        others = (one for step in self.steps[:at] for one in step.writes)
        return not any(one.number in written for one in others)

    def _answering(self) -> dict[int, list[AnswerPart]]:
        """The operations, by number, after which parts of answers are there."""
        last = {value.number: at for at, operation in enumerate(self.steps) for value in operation.writes}
        found: dict[int, list[AnswerPart]] = {}
        for number, answer in enumerate(self.answers):
            first = 0
            for value in answer.values:
                found.setdefault(last[value.number], []).append((number, value, (answer.shape[2], first)))
                first += value.places
        return found

    def _answer(self, at: int) -> None:
        for number, value, places in self._parts_of_answers.get(at, ()):
            self.store(value, FIRST_OUTPUT + number, own=True, places=places)

    def _enter(self, at: int) -> None:
        """The gradient of an answer: that of its loss, or one that is given."""
        for number, value, places in self._parts_of_answers.get(at, ()):
            form, gradients = self.form(value), self.form(value, gradients=True)
            self.give(value, whole=True)
            if self.mode == "pull":
                self.load(value, FIRST_OUTPUT + number, own=True, gradients=True, places=places)
                continue
            factor = int(np.array(self.answers[number].share, np.float64).view(np.int64))
            streams = (TARGETS, SHARES if self.weighted else -1)
            where = (self.at(value), self.gradient(value), *value.shape, form.channel, form.line)
            self.add("cross_entropy", *where, *streams, factor, gradients.channel, gradients.line, *places)

    def _depending(self) -> set[int]:
        """The buffers whose activations depend on weights."""
        found: set[int] = set()
        for operation in self.steps:
            if operation.trains or any(one.number in found and not one.stopped for one in operation.reads):
                found |= {value.number for value in operation.writes}
        return found

    # -- memory --------------------------------------------------------------------------------------------

    def _size(self, key: BufferSide) -> int:
        return self.form(Value(key[1], 1), gradients=key[0] == "g").size

    def _address(self, side: str, value: Value) -> int:
        key = (side, value.number)
        self._touch(key)
        form = self.form(value, gradients=side == "g")
        return self.addresses.get(key, 0) + value.first * form.channel + form.inside

    def _touch(self, key: BufferSide) -> None:
        if not self.addresses:
            life = self.lives.setdefault(key, Lifetime(self._step, self._step))
            life.last = self._step
