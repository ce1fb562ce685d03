"""A helper module of the stranger's plugin."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor


def mean_of_squares(parts: Iterable[Tensor]) -> Tensor:
    """The mean over the parts of their elementwise squares."""
    squares = [part.square() for part in parts]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return total / len(squares)
