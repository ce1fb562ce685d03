"""Convolutions of live weights: forward, back to the weights, and back down to what was read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ticketbench.sparse.code import Code
from ticketbench.sparse.memory import LANES
from ticketbench.sparse.operation import Weighted
from ticketbench.sparse.value import Value


@dataclass(frozen=True)
class Convolution(Weighted):
    """A convolution of stride 1 of strings or images, plus an addend, through a ReLU."""

    kernel: tuple[int, int]
    padding: tuple[int, int]

    def work(self) -> float:
        """A multiplication for every weight at every place."""
        (value,) = self.writes
        return float(self.inputs * prod(self.kernel) * value.size)

    @property
    def inputs(self) -> int:
        """Channels that are read."""
        return sum(one.channels for one in self.reads)

    def words(self, code: Code, gradients: bool) -> list[int]:
        """What forward and the way back to the weights are told."""
        (value,) = self.writes
        form, origin = code.form(value, gradients), code.at(self.reads[0])
        table = code.table(self.reads, self.kernel, self.padding, origin=origin)
        whole = [code.part(self.weight), code.part(self.bias) if self.bias else -1, value.channels, table]
        where = [code.gradient(value) if gradients else code.at(value), form.channel, form.line, value.lines]
        return [*whole, *where, value.places * code.tile, code.form(self.reads[0]).line, self.room(code), origin]

    def room(self, code: Code) -> int:
        """Where the machine writes down where each live weight reads, and one more number of each."""
        return code.room(2 * self.writes[0].channels * self.inputs * prod(self.kernel) + 2 * LANES)

    def forward(self, code: Code) -> None:
        """One instruction, and the frame of its outputs."""
        added = (-1, 0, 0)
        if self.addend is not None:
            form = code.form(self.addend)
            added = (code.at(self.addend), form.channel, form.line)
        code.add("convolve", *self.words(code, gradients=False), *added, int(self.relu))
        code.frame(self.writes[0])

    def backward(self, code: Code) -> None:
        """Through the ReLU to the weights and to the addend, then down to what was read."""
        (value,) = self.writes
        own = code.form(value)
        gate = (code.at(value), own.channel, own.line) if self.relu else (-1, 0, 0)
        passed = (-1, 0, 0, 0)
        if self.addend is not None and code.wants(self.addend):
            adds, to = not code.fresh(self.addend), code.form(self.addend, gradients=True)
            passed = (code.gradient(self.addend), to.channel, to.line, int(adds))
        code.add("convolve_back", *self.words(code, gradients=True), *gate, *passed)
        if any(code.wants(one) for one in self.reads):
            code.frame(value, gradients=True)
        before = 0
        for one in self.reads:
            if code.wants(one):
                self.down(code, one, before)
            before += one.channels

    def down(self, code: Code, one: Value, before: int) -> None:
        """To what is read behind so many channels: the weights, turned round, times the gradients of the outputs."""
        (value,) = self.writes
        given, to = code.form(value, gradients=True), code.form(one, gradients=True)
        begun = not code.fresh(one)
        where = [code.gradient(one), to.channel, to.line, one.lines, one.places * code.tile]
        start = [code.part(self.weight), before, one.channels, self.turned(code)]
        code.add("convolve_down", *start, *where, given.line, self.room(code), code.gradient(value), int(begun))

    def turned(self, code: Code) -> int:
        """Where in the pool it says for each output and place of the kernel how far off what comes back by it lies."""
        (value,) = self.writes
        form = code.form(value, gradients=True)
        above, before = self.padding[0] - np.arange(self.kernel[0]), self.padding[1] - np.arange(self.kernel[1])
        return code.pooled(
            ("turned", form, value.channels, self.kernel, self.padding),
            lambda: [
                np.add.outer(
                    np.arange(value.channels) * form.channel, np.add.outer(above * form.line, before * code.tile)
                ).reshape(-1)
            ],
        )
