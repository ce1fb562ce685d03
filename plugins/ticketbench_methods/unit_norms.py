"""The weights of a unit, which come and go with it: all that make it and all that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Link


def unit_norms(weights: Mapping[str, Tensor], link: Link) -> Tensor:
    """‖·‖₂ of all weights of each unit of a layer; its gradient is zero where they are all zero.

    A recurrent weight has units in its rows and columns; what a unit sends to itself counts once.
    """
    squares = sum((rows_of(weights[name], link) for name in link.makers), weights[link.producer].new_zeros(()))
    for name, positions in link.readers.items():
        squares = squares + columns_of(weights[name], positions)
    for name in link.loops:
        blocks = weights[name].square().reshape(link.gates, -1, weights[name].shape[1])
        squares = squares - blocks.diagonal(dim1=1, dim2=2).sum(dim=0)
    squares = squares.clamp(min=0)
    zero = squares == 0
    return squares.where(~zero, 1).sqrt().where(~zero, 0)


def rows_of(weight: Tensor, link: Link) -> Tensor:
    """The sum of squares of the rows that make each unit, one a gate."""
    return link.by_unit(weight.square().flatten(1).sum(dim=1)).sum(dim=0)


def columns_of(weight: Tensor, positions: int) -> Tensor:
    """The sum of squares of the columns that read each unit."""
    by_column = weight.square().reshape(*weight.shape[:2], -1).sum(dim=(0, 2))
    return by_column.reshape(-1, positions).sum(dim=1)
