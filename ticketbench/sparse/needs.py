"""What a program reads and writes outside of its arena, so that no caller can lead the machine astray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ticketbench.sparse.assembled import Assembled
from ticketbench.sparse.code import FIRST_OUTPUT, INPUTS, OPERATIONS, SHARES, TARGETS
from ticketbench.sparse.library import Rule
from ticketbench.sparse.live import Live
from ticketbench.sparse.memory import LANES

STREAM_NAMES = {INPUTS: "the inputs", TARGETS: "the targets", SHARES: "the shares"}
MOST = 2**31 - 1
"""Numbers of an arena: tables have offsets of 32 bits."""


@dataclass(frozen=True)
class Need:
    """Rows of a stream."""

    name: str
    kind: torch.dtype
    numbers: int
    """Of a row; of rows of which some numbers are chosen, at least."""
    exact: bool = True
    optional: bool = False
    """State that may be carried or not."""
    rows: int = 0
    """How many there must be, beside those of the examples."""

    def check(self, tensor: Tensor | None, rows: int) -> None:
        """An error that says what is wrong, if this tensor has not so many such rows."""
        if tensor is None:
            if not self.optional:
                raise ValueError(f"{self.name} are missing")
            return
        if tensor.dtype != self.kind or not tensor.is_contiguous() or tensor.device.type != "cpu":
            given = f"{tensor.dtype} on {tensor.device}{'' if tensor.is_contiguous() else ', not contiguous'}"
            raise ValueError(f"{self.name} are contiguous {self.kind} on the CPU, not {given}")
        if len(tensor) < max(rows, self.rows):
            raise ValueError(f"{self.name} have {len(tensor)} rows of at least {max(rows, self.rows)}")
        numbers = tensor.numel() // len(tensor) if len(tensor) else self.numbers
        if numbers < self.numbers or (self.exact and numbers > self.numbers):
            raise ValueError(f"{self.name} have {numbers} numbers a row, not {self.numbers}")


def needs_of(compiled: Assembled, own: torch.dtype) -> dict[int, Need]:
    """By stream, as the instructions have it; `own` is the precision of the machine."""
    if compiled.tile <= 0 or compiled.tile % LANES:
        raise ValueError(f"a tile has {LANES} examples, or a multiple of them, not {compiled.tile}")
    if compiled.arena > MOST:
        raise ValueError(f"activations of {compiled.arena} numbers are too many for one tile")
    found: dict[int, Need] = {}
    behind = FIRST_OUTPUT + len(compiled.outputs)

    def need(stream: int, kind: torch.dtype, numbers: int, exact: bool = True, rows: int = 0) -> None:
        there = found.get(stream)
        name = STREAM_NAMES.get(stream, "the answers" if stream < behind else "")
        name = name or f"the rows of '{compiled.outside[stream - behind]}'"
        numbers = max(numbers, there.numbers if there else 0)
        found[stream] = Need(name, kind, numbers, exact, stream >= behind and not rows, rows)

    for row in compiled.instructions.tolist():
        what, words = OPERATIONS[row[0]], row[1:]
        if what in ("load", "store"):
            need(words[0], own if words[7] else torch.float32, words[2] * words[3] * (words[10] or words[4]))
        elif what == "cross_entropy":
            need(words[7], torch.int64, words[3] * words[12])
            if words[8] >= 0:
                need(words[8], torch.float32, words[3] * words[12])
        elif what == "look_up":
            need(words[0], torch.int64, words[5] + 1, exact=False)
            need(words[1], own, words[3], rows=words[6])
    return found


def check_live(compiled: Assembled, live: Live, double: bool) -> None:
    """Whether the live weights are those of the program's parameters."""
    if live.names != compiled.parameters or tuple(live.shapes.values()) != compiled.shapes:
        raise ValueError(f"a program of {named(compiled)} cannot run on live weights of {live.shapes}")
    if live.values.dtype != (np.float64 if double else np.float32):
        raise ValueError(f"live weights of {live.values.dtype} are not of the machine's precision")


def named(compiled: Assembled) -> Mapping[str, tuple[int, ...]]:
    """The shapes of its parameters."""
    return dict(zip(compiled.parameters, compiled.shapes, strict=False))


def check_arena(compiled: Assembled, arena: np.ndarray, double: bool) -> None:
    """Whether the activations have room there."""
    kind = np.float64 if double else np.float32
    if arena.dtype != kind or arena.ndim != 1 or len(arena) < compiled.arena or not arena.flags.c_contiguous:
        raise ValueError(f"an arena has at least {compiled.arena} numbers of {kind.__name__}, one behind the other")


def check_steps(order: np.ndarray, rates: np.ndarray, total: np.ndarray, batch: int, picked: int | None) -> None:
    """Whether there are as many rows of the order as rates, and examples where it says; `picked` of them there are."""
    if order.dtype != np.int64 or order.ndim != 2 or not order.flags.c_contiguous or len(order) < len(rates):
        raise ValueError("the order is a contiguous matrix of 64-bit numbers, with a row for each rate")
    if not 0 < batch <= order.shape[1]:
        raise ValueError(f"a batch has 1 to {order.shape[1]} examples by its order, not {batch}")
    if rates.dtype != np.float64 or rates.ndim != 1 or not rates.flags.c_contiguous:
        raise ValueError("rates are contiguous and in double precision")
    if total.dtype != np.float32 or not total.size:
        raise ValueError("the total of losses is a number in single precision")
    used = order[: len(rates), :batch]
    if picked is not None and used.size and (used.min() < 0 or used.max() >= picked):
        raise ValueError(f"the order names examples from {used.min()} to {used.max()} of {picked}")


def check_rule(rule: Rule, live: Live) -> None:
    """Whether the slots are there that an optimizer moves weights by."""
    if (rule.adam and not (live.member.first and live.member.second)) or (rule.first_keep and not live.member.first):
        raise ValueError(f"the optimizer needs slots beside {sorted(live.slots)}")
