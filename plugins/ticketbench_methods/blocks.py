"""Square blocks of weights: how large each is, and what is said of a block, said of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def side_of(weight: Tensor, side: int, narrow: int) -> int:
    """Rows and columns of a weight's blocks: 1 where it has fewer rows or columns than `narrow`."""
    return 1 if min(weight.flatten(1).shape) < narrow else side


def in_blocks(weight: Tensor, side: int) -> Tensor:
    """A weight as (rows of blocks, side, columns of blocks, side), zeros beyond its border.

    A convolution's is a row a filter, and in it all weights of the filter.
    """
    flat = weight.flatten(1)
    rows, columns = flat.shape
    padded = functional.pad(flat, (0, -columns % side, 0, -rows % side))
    return padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side)


def block_norms(weight: Tensor, side: int) -> Tensor:
    """‖·‖₂ of each block, with the gradient zero, and not a division by it, where the block is zero."""
    squares = in_blocks(weight, side).square().sum(dim=(1, 3))
    zero = squares == 0
    return squares.where(~zero, 1).sqrt().where(~zero, 0)


def block_maxima(weight: Tensor, side: int) -> Tensor:
    """The largest |θ| of each block."""
    return in_blocks(weight.abs(), side).amax(dim=(1, 3))


def spread_out(of_blocks: Tensor, weight: Tensor, side: int) -> Tensor:
    """What is said of each block, in the weight's shape."""
    rows, columns = weight.flatten(1).shape
    each = of_blocks.repeat_interleave(side, dim=0).repeat_interleave(side, dim=1)
    return each[:rows, :columns].reshape(weight.shape)
