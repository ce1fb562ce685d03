"""A trial under observation: what it hands out is compared afterwards with what it was."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ticketbench.errors import TicketError
from ticketbench.testing.demand import demand

if TYPE_CHECKING:
    from ticketbench import Split, Train, Trial

TO_READ = frozenset({"weights", "parameters", "origin", "companions", "judged"})
"""What a trial hands out to be read; `batches` is one of them, too."""


class Handed:
    """Tensors that were handed out, beside copies of them."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        """Whom to blame: "scorer 'name'"."""
        self._known: dict[str, list[tuple[str, Tensor, Tensor]]] = {}

    def note(self, words: str, value: Any) -> None:
        """Remember what was handed out under these words, in place of what was handed out so before."""
        self._known[words] = [(where, part, part.detach().clone()) for where, part in tensors_in(value, words)]

    def refresh(self) -> None:
        """What is different now is the engine's doing."""
        self._known = {
            words: [(where, part, part.detach().clone()) for where, part, _ in parts]
            for words, parts in self._known.items()
        }

    def compare(self) -> None:
        """Complain about the first tensor that someone has written into."""
        for parts in self._known.values():
            for where, part, before in parts:
                demand(
                    same(part, before),
                    f"{self.owner} writes in place into {where}, which it was handed to read. "
                    "Write into a clone(), and hand it over: by trial.set_weights or trial.set_mask, or as a score.",
                )


class Watched:
    """Stands for a trial: passes everything on, and compares before and after every use of it.

    For one who stands `still` no time passes, so that what is measured twice is the same.
    """

    def __init__(
        self, trial: Trial, handed: Handed, to_read: frozenset[str] = TO_READ, still: bool = False
    ) -> None:  # fmt: skip
        self._trial = trial
        self._still = still
        self._handed = handed
        self._to_read = to_read
        self.requests: list[Train] = []
        """What `train` has made."""

    def __getattr__(self, name: str) -> Any:
        self._handed.compare()
        try:
            value = getattr(self._trial, name)
        except TicketError as error:
            demand(
                name != "judged",
                f"{self._handed.owner} asks for the test split when there is none: trial.judged is there for probes "
                'alone, at the moment "judged".',
            )
            raise error
        self._handed.refresh()
        if name == "batches":
            return self._batches
        if name == "spent" and self._still:
            return replace(value, seconds=0.0)
        if inspect.ismethod(value):
            return self._passed_on(name, value)
        if name in self._to_read:
            self._handed.note(f"trial.{name}", value)
        return value

    def _passed_on(self, name: str, method: Any) -> Any:
        def call(*values: Any, **named: Any) -> Any:
            self._handed.compare()
            try:
                result = method(*values, **named)
            finally:
                self._handed.refresh()
            if name == "train":
                self.requests.append(result)
            return result

        return call

    def _batches(self, *values: Any, **named: Any) -> Iterator[Split]:
        for batch in self._trial.batches(*values, **named):
            self._handed.compare()
            self._handed.note("a batch of trial.batches()", batch)
            yield batch


def tensors_in(value: Any, words: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of tables, sequences and small classes, with its place in words."""
    if isinstance(value, Tensor):
        yield words, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from tensors_in(part, f"{words}['{name}']")
    elif isinstance(value, (list, tuple)):
        for at, part in enumerate(value):
            yield from tensors_in(part, f"{words}[{at}]")
    elif is_dataclass(value):
        for field in fields(value):
            yield from tensors_in(getattr(value, field.name), f"{words}.{field.name}")


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, not-a-number included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.is_floating_point() and not one.is_complex():
        return bool(torch.equal(one, other))
    return bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))
