"""What tapes are made of, but for recurrent cells: products, pooling, what is done to activations alone."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.sparse.code import Code
from ticketbench.sparse.operation import Operation, Weighted
from ticketbench.sparse.value import Value


@dataclass(frozen=True)
class Load(Operation):
    """The numbers of the examples."""

    stream: int = 0

    def forward(self, code: Code) -> None:
        """From the stream, into the frame of zeros that whoever reads it wants."""
        (value,) = self.writes
        code.load(value, self.stream, own=False)
        code.frame(value)


@dataclass(frozen=True)
class Product(Weighted):
    """Live weights times all features of what is read."""

    rows: tuple[int, int]

    def work(self) -> float:
        """A multiplication for every weight."""
        return float(sum(one.size for one in self.reads) * self.writes[0].size)

    def words(self, code: Code, gradients: bool) -> list[int]:
        """What both ways are told."""
        (value,) = self.writes
        form, outputs = code.form(value, gradients), code.gradient(value) if gradients else code.at(value)
        table = code.table(self.reads)
        whole = [code.part(self.weight), code.part(self.bias) if self.bias else -1, *self.rows, table, outputs]
        return [*whole, form.channel, code.tile]

    def even(self, code: Code, back: bool) -> int:
        """The distance from what a column reads to what the next one does, if it is the same for all; else 0."""
        one = self.reads[0]
        if len(self.reads) > 1 or one.size != one.channels:
            return 0
        distance = code.form(one).channel
        return distance if not back or distance == code.form(one, gradients=True).channel else 0

    def forward(self, code: Code) -> None:
        """One instruction, and the frame of its outputs."""
        (value,) = self.writes
        addend = -1 if self.addend is None else self.beside(code, self.addend)
        code.add("product", *self.words(code, gradients=False), addend, int(self.relu), -1, self.even(code, back=False))
        code.frame(value)

    def beside(self, code: Code, addend: Value) -> int:
        """Where an addend lies that has the form of the outputs: in their place if its own has another frame."""
        (value,) = self.writes
        own, other = code.form(value), code.form(addend)
        if (own.channel, own.line) == (other.channel, other.line):
            return code.at(addend)
        code.plain("copy", code.at(value), code.at(addend), value, own, other)
        return code.at(value)

    def backward(self, code: Code) -> None:
        """Through the ReLU, on to the addend, then to the weights and to what was read."""
        (value,) = self.writes
        if self.relu:
            code.plain("gate", code.gradient(value), code.at(value), value, code.form(value, gradients=True))
        if self.addend is not None and self.addend.number != value.number and code.wants(self.addend):
            code.give(self.addend)
            forms = (code.form(self.addend, gradients=True), code.form(value, gradients=True))
            code.plain("add", code.gradient(self.addend), code.gradient(value), value, *forms)
        wanting = [one for one in self.reads if code.wants(one)]
        for one in wanting:
            code.give(one)
        to = code.table(self.reads, gradients=True) if wanting else -1
        code.add("product_back", *self.words(code, gradients=True), -1, 0, to, self.even(code, back=True))


@dataclass(frozen=True)
class Relu(Operation):
    """max(0, x)."""

    @property
    def written(self) -> tuple[Value, ...]:
        """Where it was open."""
        return self.writes

    def forward(self, code: Code) -> None:
        """One instruction, and the frame."""
        (one,), (value,) = self.reads, self.writes
        code.plain("relu", code.at(value), code.at(one), value, code.form(value), code.form(one))
        code.frame(value)

    def backward(self, code: Code) -> None:
        """Through where it was open."""
        (one,), (value,) = self.reads, self.writes
        if code.wants(one):
            code.give(one)
            to, given = code.form(one, gradients=True), code.form(value, gradients=True)
            code.plain("gate", code.gradient(value), code.at(value), value, given, code.form(value))
            code.plain("add", code.gradient(one), code.gradient(value), value, to, given)


@dataclass(frozen=True)
class Pooling(Operation):
    """The largest of each 2×2 window."""

    @property
    def read(self) -> tuple[Value, ...]:
        """Which was the largest."""
        return self.reads

    @property
    def written(self) -> tuple[Value, ...]:
        """The largest."""
        return self.writes

    def words(self, code: Code) -> list[int]:
        """What both ways are told."""
        (one,), (value,) = self.reads, self.writes
        to, source = code.form(value), code.form(one)
        strides = [to.channel, to.line, source.channel, source.line]
        return [code.at(value), code.at(one), *value.shape, *strides]

    def forward(self, code: Code) -> None:
        """One instruction, and the frame."""
        code.add("pool", *self.words(code))
        code.frame(self.writes[0])

    def backward(self, code: Code) -> None:
        """To the largest."""
        (one,), (value,) = self.reads, self.writes
        if code.wants(one):
            given, to = code.form(value, gradients=True), code.form(one, gradients=True)
            if one.lines % 2 or one.places % 2:  # the last ones get nothing
                code.give(one)
            begun = not code.fresh(one)
            strides = (given.channel, given.line, to.channel, to.line, int(begun))
            code.add("pool_back", *self.words(code), code.gradient(value), code.gradient(one), *strides)
