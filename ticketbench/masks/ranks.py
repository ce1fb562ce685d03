"""Scores of any numeric type as numbers that sort: no score is rounded before it is ranked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ticketbench.errors import ScoreError

LARGEST = 2**63 - 1024
"""The largest float64 that is an int64, too."""


def check_type(name: str, score: Tensor) -> None:
    """The scores of a layer are of a type that can be ranked, or a `ScoreError` says which types can."""
    if score.is_complex() or score.dtype == torch.uint64:
        raise ScoreError(
            f"the scores of '{name}' are {str(score.dtype).removeprefix('torch.')}, which cannot be ranked. "
            "What would work: float64, float32, int64, smaller types, or bool"
        )


def sortable(scores: Tensor) -> Tensor:
    """The same numbers in a type that sorts: whole numbers and truth become int64, and half floats float32."""
    if not scores.is_floating_point():
        return scores.to(torch.int64)
    return scores.float() if scores.element_size() < 4 else scores


def lowest(dtype: torch.dtype) -> float | int:
    """A number that no score of this type is below."""
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def comparable(scores: Sequence[Tensor]) -> Tensor:
    """The scores of all layers, one after the other, as numbers of one type in the same order, equal ones equal.

    Floats become the widest of their types, float32 at least; whole numbers int64. Where there are both, each score is
    replaced by its rank, as no type has all of them. Every operation can be stacked.

    >>> comparable([torch.tensor([2**53 + 1, 7]), torch.tensor([2.0**53])])
    tensor([2, 0, 1])
    """
    floats = [score.is_floating_point() for score in scores]
    if all(floats):
        dtype = torch.float32
        for score in scores:
            dtype = torch.promote_types(dtype, score.dtype)
        return torch.cat([score.reshape(-1).to(dtype) for score in scores])
    if not any(floats):
        return torch.cat([score.reshape(-1).to(torch.int64) for score in scores])
    parts = [in_two(score.reshape(-1)) for score in scores]
    return ranks(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))


def in_two(scores: Tensor) -> tuple[Tensor, Tensor]:
    """A score as a float64 and what an int64 has beyond it, which decides between equal ones."""
    if scores.is_floating_point():
        return scores.double(), torch.zeros_like(scores, dtype=torch.int64)
    whole = scores.to(torch.int64)
    rounded = whole.double().clamp(max=float(LARGEST))
    return rounded, whole - rounded.to(torch.int64)


def ranks(first: Tensor, second: Tensor) -> Tensor:
    """The rank of each pair of numbers among all, from 0; equal pairs have one."""
    order = second.argsort(stable=True)
    order = order.gather(0, first.gather(0, order).argsort(stable=True))
    firsts, seconds = first.gather(0, order), second.gather(0, order)
    steps = (firsts[1:] != firsts[:-1]) | (seconds[1:] != seconds[:-1])
    risen = torch.cat([torch.zeros_like(order[:1]), steps.to(torch.int64).cumsum(0)])
    return risen.gather(0, order.argsort(stable=True))
