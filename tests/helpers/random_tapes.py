"""Random networks on tapes, each beside the same network in torch, and the comparison of both.

`python tests/helpers/random_tapes.py 2000` draws so many; `--first SEED` begins elsewhere. A failure names its seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench.sparse.tape import Tape, Value

Compute = Callable[[list[Tensor], dict[str, Tensor]], Tensor]
"""The next activations, (examples, channels, lines, places), from those before and the parameters."""


@dataclass
class Held:
    """Activations on the tape, and where torch's are in its list."""

    value: Value
    at: int
    bare: bool = False
    """It comes of a recurrent cell: no convolution may read it, which would want zeros around it."""


@dataclass
class Network:
    """Both, as they grow."""

    seed: int
    tape: Tape = field(default_factory=lambda: Tape({}))
    computes: list[Compute] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    answers: list[tuple[list[int], float]] = field(default_factory=list)
    """Where torch's scores are, places behind one another, and their share of the loss."""
    said: list[str] = field(default_factory=list)
    places: tuple[int, int] = (1, 1)
    """Lines and places of every answer."""
    flat: bool = False
    """Whether answers are linear layers, one for each place."""

    def __post_init__(self) -> None:
        """Drawn from the seed."""
        self.random = np.random.default_rng(self.seed)
        dimensions = int(self.random.integers(1, 4))
        shape = {1: (self.size(9),), 2: (self.size(3), self.size(9)), 3: (self.size(3), self.size(7), self.size(7))}
        self.inputs = shape[dimensions]
        self.string = dimensions == 2
        self.say(f"inputs{self.inputs}", self.tape.inputs(self.inputs), lambda values, _: values[0])
        for _ in range(self.size(6)):
            self.one_of(STEPS)(self)
            if self.chance(0.15):
                self.answer()
        for _ in range(self.size(2) if not self.answers or self.chance(0.3) else 0):
            self.answer()

    # -- drawing -------------------------------------------------------------------------------------------

    def size(self, most: int) -> int:
        """From 1 on."""
        return int(self.random.integers(1, most + 1))

    def chance(self, of: float) -> bool:
        """Whether something happens."""
        return bool(self.random.random() < of)

    def one_of(self, things: Sequence[Any]) -> Any:
        """Any of them."""
        return things[int(self.random.integers(len(things)))]

    def reads(self, plain: bool = False) -> list[Held]:
        """One to three things to read, perhaps one of them twice."""
        there = [one for one in self.held if not (plain and one.bare)]
        return [self.one_of(there) for _ in range(self.one_of((1, 1, 1, 2, 3)))]

    def parameter(self, kind: str, *shape: int) -> str:
        """A new one, or one of this shape that others use."""
        there = [name for name, own in self.tape.shapes.items() if own == shape and name.startswith(kind)]
        if there and self.chance(0.4):
            return self.one_of(there)
        name = f"{kind}{len(self.tape.shapes)}"
        self.tape.shapes[name] = shape
        return name

    def addend(self, shape: tuple[int, int, int]) -> Held | None:
        """Something of this shape."""
        there = [one for one in self.held if one.value.shape == shape]
        return self.one_of(there) if there and self.chance(0.6) else None

    def say(self, words: str, value: Value, compute: Compute, bare: bool = False) -> Held:
        """Activations that others may read."""
        self.computes.append(compute)
        self.said.append(words)
        self.held.append(Held(value, len(self.computes), bare))
        return self.held[-1]

    def alone(self, held: Held) -> Held:
        """Nobody else reads it."""
        self.held.remove(held)
        return held

    def answer(self) -> None:
        """Scores of classes, wherever there are places for them."""
        first = not self.answers
        plain = [one for one in self.held if not one.bare]
        there = [one for one in plain if first or (one.value.lines, one.value.places) == self.places]
        if not self.flat if not first else bool(there) and self.chance(0.5):
            parts = [self.alone(convolution(self, self.one_of(there)))]
            self.places = parts[0].value.lines, parts[0].value.places
        else:
            self.flat = True
            self.places = (1, self.size(3)) if first else self.places
            classes = 1 + self.size(4)
            parts = [self.alone(linear(self, classes)) for _ in range(self.places[1])]
        share = self.one_of((1.0, 0.5, 0.25))
        self.tape.answer(*(part.value for part in parts), share=share)
        self.answers.append(([part.at for part in parts], share))
        self.said.append(f"answer {ats(parts)} of {share}")
        self.computes.append(lambda values, _: torch.empty(0))

    # -- in torch ------------------------------------------------------------------------------------------

    def forward(self, inputs: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
        """All answers."""
        value = self.tape.operations[0].writes[0]
        values = [inputs.reshape(len(inputs), *value.shape)]
        for compute in self.computes:
            values.append(compute(values, weights))
        return [torch.cat([values[at] for at in places], 3) for places, _ in self.answers]

    def loss(self, outputs: list[Tensor], targets: Tensor, shares: Tensor | None) -> Tensor:
        """Of all answers together."""
        total = torch.zeros((), dtype=torch.float64)
        for output, (_, share) in zip(outputs, self.answers, strict=True):
            each = functional.cross_entropy(output.flatten(2), targets, reduction="none")
            total = total + share * (each.mean() if shares is None else (each * shares).sum())
        return total


# -- steps -------------------------------------------------------------------------------------------------


def linear(net: Network, outputs: int = 0, reads: Sequence[Held] = (), sums: bool = False) -> Held:
    """Of the features of whatever is read, perhaps some rows of the weight, with an addend or a ReLU behind."""
    reads, outputs = reads or net.reads(), outputs or net.size(6)
    columns = sum(one.value.size for one in reads)
    some = net.chance(0.3)
    start, more = (net.size(3), net.size(3)) if some else (0, 0)
    weight = net.parameter("linear", start + outputs + more, columns)
    rows = (start, start + outputs)
    bias = net.parameter("bias", net.tape.shapes[weight][0]) if net.chance(0.6) else ""
    addend, relu = (None, False) if sums else (net.addend((outputs, 1, 1)), net.chance(0.5))

    def compute(values: list[Tensor], weights: dict[str, Tensor]) -> Tensor:
        flat = torch.cat([values[one.at].flatten(1) for one in reads], 1)
        out = functional.linear(flat, weights[weight], weights[bias] if bias else None)[:, slice(*rows), None, None]
        return finish(out, values, addend, relu)

    value = net.tape.linear(
        *(weight, *(one.value for one in reads)),
        **{"bias": bias, "addend": addend and addend.value, "relu": relu, "rows": rows if some else None},
    )
    return net.say(f"{weight}{rows}({ats(reads)}){bias} + {addend and addend.at} relu {relu}", value, compute)


def convolution(net: Network, source: Held | None = None) -> Held:
    """Of strings or images; with a source over each of its places alone, into classes."""
    reads = [source] if source else net.reads(plain=True)
    lines, places = reads[0].value.lines, reads[0].value.places
    reads = [one for one in reads if (one.value.lines, one.value.places) == (lines, places)]
    padding = 0 if source else net.one_of((0, 0, 1, 1, 2))
    above = 0 if net.string else padding
    tall, wide = min(net.size(3), lines + 2 * above), min(net.size(3), places + 2 * padding)
    kernel = ((1, 1) if source else (tall, wide))[int(net.string) :]
    inputs = sum(one.value.channels for one in reads)
    outputs = net.size(3) + 1 if source else net.one_of((net.size(4), reads[0].value.channels))
    weight = net.parameter("convolution", outputs, inputs, *kernel)
    bias = net.parameter("bias", outputs) if net.chance(0.6) else ""
    size = (lines + 2 * above - kernel[0] + 1 if not net.string else lines, places + 2 * padding - kernel[-1] + 1)
    addend, relu = net.addend((outputs, *size)), net.chance(0.5)

    def compute(values: list[Tensor], weights: dict[str, Tensor]) -> Tensor:
        joined, used = torch.cat([values[one.at] for one in reads], 1), weights[weight]
        used = used[:, :, None] if net.string else used
        out = functional.conv2d(joined, used, weights[bias] if bias else None, padding=(above, padding))
        return finish(out, values, addend, relu)

    value = net.tape.convolution(
        *(weight, *(one.value for one in reads)),
        **{"bias": bias, "padding": padding, "addend": addend and addend.value, "relu": relu},
    )
    words = f"{weight}{(outputs, inputs, *kernel)}({ats(reads)}){bias} padding {padding} + {addend and addend.at}"
    return net.say(f"{words} relu {relu}", value, compute)


def finish(out: Tensor, values: list[Tensor], addend: Held | None, relu: bool) -> Tensor:
    """What comes behind a product."""
    out = out if addend is None else out + values[addend.at]
    return functional.relu(out) if relu else out


def ats(reads: list[Held]) -> str:
    """What is read, by its number."""
    return ", ".join(f"#{one.at}" for one in reads)


def any_convolution(net: Network) -> None:
    """Where there are lines or places; a linear layer elsewhere."""
    if len(net.inputs) == 1:
        linear(net)
    else:
        convolution(net)


def any_linear(net: Network) -> None:
    """Of anything."""
    linear(net)


def relu(net: Network) -> None:
    """Of anything."""
    one = net.one_of([one for one in net.held if not one.bare])
    net.say(f"relu(#{one.at})", net.tape.relu(one.value), lambda values, _: functional.relu(values[one.at]))


def pool(net: Network) -> None:
    """Of an image that is large enough."""
    there = [one for one in net.held if one.value.lines > 1 and one.value.places > 1]
    if there:
        one = net.one_of(there)
        net.say(
            f"pool(#{one.at})", net.tape.pool(one.value), lambda values, _: functional.max_pool2d(values[one.at], 2)
        )


def part(net: Network) -> None:
    """Some channels."""
    one = net.one_of([one for one in net.held if not one.bare])
    start = int(net.random.integers(one.value.channels))
    stop = int(net.random.integers(start, one.value.channels)) + 1
    value = net.tape.part(one.value, start, stop)
    net.say(f"part(#{one.at}, {start}, {stop})", value, lambda values, _: values[one.at][:, start:stop])


def stopped(net: Network) -> None:
    """Back from which no gradient goes."""
    one = net.one_of(net.held)
    value = net.tape.stopped(one.value)
    net.say(f"stopped(#{one.at})", value, lambda values, _: values[one.at].detach(), one.bare)


def state(net: Network, units: int) -> Held | None:
    """That of a cell before, if there is one of so many units."""
    there = [one for one in net.held if one.bare and one.value.shape == (units, 1, 1)]
    return net.one_of(there) if there and net.chance(0.8) else None


def sums(net: Network, units: int, *reads: Held | None) -> Held:
    """Of a cell that consumes them: nobody else reads them."""
    given = [*net.reads()[:1], *(one for one in reads if one)]
    return net.alone(linear(net, units, given, sums=True))


def of(values: list[Tensor], one: Held | None) -> Tensor:
    """Zeros where there is nothing."""
    return torch.zeros(()) if one is None else values[one.at]


def tanh(net: Network) -> None:
    """A plain recurrent cell."""
    units = net.size(4)
    own = sums(net, units, state(net, units))
    net.say(f"tanh({ats([own])})", net.tape.tanh(own.value), lambda values, _: values[own.at].tanh(), bare=True)


def gated(net: Network) -> None:
    """A GRU's cell, perhaps without what it multiplies by its reset gate."""
    units = net.size(4)
    before = state(net, units)
    own, loop = sums(net, 3 * units, before), sums(net, units, before) if net.chance(0.7) else None

    def compute(values: list[Tensor], _: object) -> Tensor:
        reset, update, candidate = values[own.at].chunk(3, 1)
        candidate = (candidate + reset.sigmoid() * of(values, loop)).tanh()
        return candidate + update.sigmoid() * (of(values, before) - candidate)

    value = net.tape.gated(own.value, loop and loop.value, before and before.value)
    net.say(f"gated({ats([own])}, {loop and loop.at}, {before and before.at})", value, compute, bare=True)


def remember(net: Network) -> None:
    """An LSTM's cell, of which perhaps only the memory is read."""
    units = net.size(4)
    before = state(net, units)
    own = sums(net, 3 * units, before)

    def kept(values: list[Tensor], _: object) -> Tensor:
        enter, forget, candidate = values[own.at].chunk(3, 1)
        return forget.sigmoid() * of(values, before) + enter.sigmoid() * candidate.tanh()

    value = net.tape.remember(own.value, before and before.value)
    memory = net.say(f"remember({ats([own])}, {before and before.at})", value, kept, bare=True)
    if net.chance(0.8):
        open_ = sums(net, units)
        value = net.tape.reveal(open_.value, memory.value)

        def shown(values: list[Tensor], _: object) -> Tensor:
            return values[open_.at].sigmoid() * values[memory.at].tanh()

        net.say(f"reveal({ats([open_, memory])})", value, shown, bare=True)


STEPS: tuple[Callable[[Network], object], ...] = (
    *(any_convolution, any_convolution, any_convolution, any_linear, any_linear),
    *(relu, pool, part, stopped, tanh, gated, remember),
)
"""What a network may be made of, the frequent ones several times. One more is a function that writes it on `net.tape`
and says, by `net.say`, what torch computes."""


def main() -> int:
    """So many comparisons; what fails is said, and how to see it again."""
    from tape_agreement import compare

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for seed in range(asked.first, asked.first + asked.count):
        try:
            compare(seed)
        except AssertionError as error:
            failed += 1
            print(error, flush=True)
    print(f"{asked.count - failed} of {asked.count} agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
