"""What recurrent networks do between their products: gates, vectors of words, state that is carried."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.sparse.code import INPUTS, Code
from ticketbench.sparse.operation import Operation
from ticketbench.sparse.value import Value


@dataclass(frozen=True)
class Tanh(Operation):
    """h = tanh(a)."""

    @property
    def written(self) -> tuple[Value, ...]:
        """Its slope is 1 − h²."""
        return self.writes

    def forward(self, code: Code) -> None:
        """One instruction."""
        (sums,), (after,) = self.reads, self.writes
        code.add("squash", code.at(after), code.at(sums), code.numbers(after, sums))

    def backward(self, code: Code) -> None:
        """To the sums."""
        (sums,), (after,) = self.reads, self.writes
        if code.wants(sums):
            adds = not code.fresh(sums)
            what = (code.at(after), code.gradient(after), code.numbers(after, sums), code.gradient(sums), int(adds))
            code.add("squash_back", *what)


@dataclass(frozen=True)
class Consuming(Operation):
    """What turns its first value, sums, into gates in their place, and multiplies them with states."""

    @property
    def sums(self) -> Value:
        """What it consumes."""
        return self.reads[0]

    @property
    def read(self) -> tuple[Value, ...]:
        """The gates, and all that they were multiplied by."""
        return self.reads

    def there(self, code: Code, value: Value | None) -> int:
        """Where a value lies, if there is one."""
        return -1 if value is None else code.at(value)

    def to_sums(self, code: Code, value: Value | None) -> int:
        """Where the gradients of something are written that nobody else reads."""
        if value is None or not code.wants(value):
            return -1
        code.consume(value)
        return code.gradient(value)

    def to_state(self, code: Code, value: Value | None) -> tuple[int, int]:
        """Where the gradients of something go that others may read, too, and whether they are added to others."""
        if value is None or not code.wants(value):
            return -1, 0
        adds = not code.fresh(value)
        return code.gradient(value), int(adds)


@dataclass(frozen=True)
class Gated(Consuming):
    """r, z = σ(a) and n = tanh(a + r q); h' = n + z (h − n)."""

    loop: Value | None
    before: Value | None

    def words(self, code: Code, after: int) -> list[int]:
        """What both ways are told; the way back needs no `after`."""
        places = [code.at(self.sums), self.there(code, self.loop), self.there(code, self.before), after]
        return [*places, code.numbers(*self.writes, *self.reads)]

    def forward(self, code: Code) -> None:
        """One instruction."""
        code.add("gated", *self.words(code, code.at(self.writes[0])))

    def backward(self, code: Code) -> None:
        """To the sums, to q and to the state before."""
        to_sums, to_loop = self.to_sums(code, self.sums), self.to_sums(code, self.loop)
        to_before = self.to_state(code, self.before)
        code.add("gated_back", *self.words(code, -1), code.gradient(self.writes[0]), to_sums, to_loop, *to_before)


@dataclass(frozen=True)
class Remember(Consuming):
    """i, f = σ(a) and g = tanh(a); c' = f c + i g."""

    before: Value | None

    def words(self, code: Code, after: int) -> list[int]:
        """What both ways are told; the way back needs no `after`."""
        return [code.at(self.sums), self.there(code, self.before), after, code.numbers(*self.writes, *self.reads)]

    def forward(self, code: Code) -> None:
        """One instruction."""
        code.add("remember", *self.words(code, code.at(self.writes[0])))

    def backward(self, code: Code) -> None:
        """To the sums and to the memory before."""
        to_sums, to_before = self.to_sums(code, self.sums), self.to_state(code, self.before)
        code.add("remember_back", *self.words(code, -1), code.gradient(self.writes[0]), to_sums, *to_before)


@dataclass(frozen=True)
class Reveal(Consuming):
    """o = σ(a); h = o tanh(c)."""

    def words(self, code: Code, after: int) -> list[int]:
        """What both ways are told; the way back needs no `after`."""
        return [code.at(self.sums), code.at(self.reads[1]), after, code.numbers(*self.writes, *self.reads)]

    def forward(self, code: Code) -> None:
        """One instruction."""
        code.add("reveal", *self.words(code, code.at(self.writes[0])))

    def backward(self, code: Code) -> None:
        """To the sums and to the memory."""
        to_sums, to_memory = self.to_sums(code, self.sums), self.to_state(code, self.reads[1])
        code.add("reveal_back", *self.words(code, -1), code.gradient(self.writes[0]), to_sums, *to_memory)


@dataclass(frozen=True)
class LookUp(Operation):
    """The row of a table outside that a number of the examples' stream chooses."""

    table: str
    rows: int
    place: int
    stream: int = INPUTS

    @property
    def tables(self) -> tuple[str, ...]:
        """The table."""
        return (self.table,)

    def forward(self, code: Code) -> None:
        """One instruction."""
        (value,) = self.writes
        where = (code.at(value), value.channels, code.form(value).channel)
        code.add("look_up", self.stream, code.outside(self.table), *where, self.place, self.rows)


@dataclass(frozen=True)
class TakeUp(Operation):
    """The state that was carried here, or zeros if none is."""

    name: str

    @property
    def carried(self) -> tuple[str, ...]:
        """The state."""
        return (self.name,)

    def forward(self, code: Code) -> None:
        """From its stream."""
        code.load(self.writes[0], code.outside(self.name), own=True)


@dataclass(frozen=True)
class LeaveState(Operation):
    """State is carried on from here, if it is carried at all."""

    name: str

    @property
    def carried(self) -> tuple[str, ...]:
        """The state."""
        return (self.name,)

    def forward(self, code: Code) -> None:
        """Into its stream."""
        code.store(self.reads[0], code.outside(self.name), own=True)
