"""Programs in use: a forward pass or a training step of one network, on rows that lie outside."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import byref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ticketbench.sparse.assembled import Assembled
from ticketbench.sparse.code import FIRST_OUTPUT, INPUTS, SHARES, TARGETS, Mode
from ticketbench.sparse.library import Native, Program, Rule, Stream, machine
from ticketbench.sparse.live import Live, aligned
from ticketbench.sparse.needs import check_arena, check_live, check_rule, check_steps, needs_of
from ticketbench.sparse.tape import Tape

STREAMS = 64
NONE_OUTSIDE: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Rows:
    """Rows of a contiguous tensor outside; `picked` ones are chosen by the order of a step."""

    tensor: Tensor
    picked: bool = False

    def stream(self, index: int = 0) -> Stream:
        """As the machine sees it; `index` is where the numbers of the rows are."""
        stride = self.tensor[0].numel() if len(self.tensor) else 0
        return Stream(self.tensor.data_ptr(), stride, index or (1 if self.picked else None))


class Runner:
    """Runs a program for networks of one architecture."""

    def __init__(self, compiled: Assembled, way: str = "") -> None:
        self.compiled = compiled
        self.machine: Native = machine(way)
        self.kind = torch.float64 if self.machine.double else torch.float32
        self._needs = needs_of(compiled, self.kind)
        self._program = Program(
            len(compiled.instructions),
            compiled.instructions.ctypes.data,
            compiled.pool.ctypes.data,
            compiled.arena,
            compiled.tile,
        )

    @classmethod
    def of(
        cls,
        tape: Tape,
        tile: int,
        mode: Mode,
        weighted: bool = False,
        way: str = "",
        parameters: Sequence[str] | None = None,
    ) -> Runner:
        """For a tape, and for live weights of these parameters; of those that it reads if none are named."""
        return cls(tape.program(tile, mode, weighted, parameters), way)

    def arena(self) -> np.ndarray:
        """Room for the activations of one thread."""
        return aligned(self.compiled.arena, np.float64 if self.machine.double else np.float32)

    def outputs(
        self, live: Live, inputs: Tensor, arena: np.ndarray | None = None, outside: Mapping[str, Tensor] = NONE_OUTSIDE
    ) -> list[Tensor]:
        """The answers to a batch, (batch, channels, lines, places) each.

        `outside` has the tables of the tape, and its state, which changes, if any is carried.
        """
        arena = self.arena() if arena is None else arena
        found = [torch.empty(len(inputs), *shape, dtype=self.kind) for shape in self.compiled.outputs]
        streams = self._streams({INPUTS: Rows(inputs)}, found, outside, len(inputs))
        self._run(live, streams, len(inputs), arena)
        return found

    def gradients(
        self,
        live: Live,
        inputs: Tensor,
        targets: Tensor,
        shares: Tensor | None = None,
        given: Sequence[Tensor] = (),
        outside: Mapping[str, Tensor] = NONE_OUTSIDE,
    ) -> float:
        """The loss of a batch; gradients are added to those of the live weights."""
        rows = {INPUTS: Rows(inputs), TARGETS: Rows(targets)}
        if shares is not None:
            rows[SHARES] = Rows(shares)
        if not len(inputs):
            raise ValueError("a batch has at least one example")
        return self._run(live, self._streams(rows, given, outside, len(inputs)), len(inputs), self.arena())

    def train(
        self,
        live: Live,
        rows: Mapping[int, Rows],
        batch: int,
        rule: Rule,
        order: np.ndarray,
        rates: np.ndarray,
        age: int,
        total: np.ndarray,
        arena: np.ndarray,
        outside: Mapping[str, Tensor] = NONE_OUTSIDE,
    ) -> None:
        """A step for every row of `order` (steps, batch) of 64-bit numbers, and a rate for each.

        Losses are added to the number at `total`.
        """
        picked = [len(one.tensor) for one in rows.values() if one.picked]
        check_steps(order, rates, total, batch, min(picked, default=None))
        check_rule(rule, live)
        check_live(self.compiled, live, self.machine.double)
        check_arena(self.compiled, arena, self.machine.double)
        streams = self._streams(rows, (), outside, batch)
        self.machine.train(
            byref(self._program),
            byref(live.member),
            streams,
            len(streams),
            batch,
            arena.ctypes.data,
            byref(rule),
            len(rates),
            order.ctypes.data,
            order.shape[1],
            rates.ctypes.data,
            age,
            total.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
        )

    def _streams(
        self, rows: Mapping[int, Rows], outputs: Sequence[Tensor], outside: Mapping[str, Tensor], batch: int
    ) -> ctypes.Array[Stream]:
        given = {number: one.tensor for number, one in rows.items()}
        given |= {FIRST_OUTPUT + number: output for number, output in enumerate(outputs)}
        behind = FIRST_OUTPUT + len(self.compiled.outputs)
        if max(given, default=0) >= behind:
            raise ValueError(f"a program has {len(self.compiled.outputs)} answers, not {len(outputs)}")
        streams = (Stream * (behind + len(self.compiled.outside)))()
        if len(streams) > STREAMS:
            raise ValueError(f"a tape has up to {STREAMS} answers and tensors outside, not {len(streams)}")
        named = enumerate(self.compiled.outside)
        given |= {behind + number: outside[name] for number, name in named if len(outside.get(name, ()))}
        for number, need in self._needs.items():
            examples = 0 if need.rows or (number in rows and rows[number].picked) else batch
            need.check(given.get(number), examples)
        for number, tensor in given.items():
            streams[number] = Rows(tensor, number in rows and rows[number].picked).stream()
        return streams

    def _run(self, live: Live, streams: ctypes.Array[Stream], batch: int, arena: np.ndarray) -> float:
        check_live(self.compiled, live, self.machine.double)
        check_arena(self.compiled, arena, self.machine.double)
        loss = ctypes.c_double()
        self.machine.run(byref(self._program), byref(live.member), streams, batch, arena.ctypes.data, byref(loss))
        return loss.value
