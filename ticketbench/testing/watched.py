"""A trial under observation: what is asked of it, and what has become of its cell afterwards."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ticketbench.errors import TicketError
from ticketbench.testing.demand import demand

if TYPE_CHECKING:
    from ticketbench import Request, Trial


class Watched:
    """Stands for a trial, and passes everything on.

    For one who stands `still` no time passes, so that what is measured twice is the same.
    """

    def __init__(self, trial: Trial, owner: str, still: bool = False) -> None:
        self._trial = trial
        self._owner = owner
        """Whom to blame: "scorer 'name'"."""
        self._still = still
        self.requests: list[Request] = []
        """What `train`, `remask` and `pruning` have made."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = getattr(self._trial, name)
        except TicketError as error:
            demand(
                name != "judged",
                f"{self._owner} asks for the test split when there is none: trial.judged is there for probes alone, at "
                'the moment "judged".',
            )
            raise error
        if name in ("train", "remask", "pruning") and inspect.ismethod(value):
            return lambda *values, **named: self._made(value(*values, **named))
        if name == "spent" and self._still:
            return replace(value, seconds=0.0)
        return value

    def _made(self, request: Request) -> Request:
        self.requests.append(request)
        return request


@dataclass(frozen=True)
class CellState:
    """Copies of everything that one who looks must leave alone, by what it is called in a complaint."""

    parts: dict[str, Tensor]

    @classmethod
    def of(cls, trial: Trial) -> CellState:
        """Weights, statistics, masks and training examples; reading the examples is a call of `batches`."""
        parts = {f"weights of '{name}'": part for name, part in trial.parameters.items()}
        parts |= {f"statistics '{name}'": part for name, part in trial.module.named_buffers()}
        parts |= {f"mask of '{name}'": part for name, part in trial.mask.items()}
        for at, batch in enumerate(trial.batches(0)):
            parts |= {f"inputs of training batch {at}": batch.inputs, f"targets of training batch {at}": batch.targets}
        return cls({name: part.detach().clone() for name, part in parts.items()})

    def changed(self, other: CellState) -> str:
        """The first part that is another one there; "" if none is."""
        return next((name for name, part in self.parts.items() if not same(part, other.parts[name])), "")


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, not-a-number included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.is_floating_point() and not one.is_complex():
        return bool(torch.equal(one, other))
    return bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))
