"""The order in which the live weights of a layer are gone through: row by row, or column by column, in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

BLOCK_COLUMNS = 96
"""Columns of a block of a matrix: what they read is 24 KiB for 64 examples."""
NEAREST = 48 * 1024
"""Bytes that a block of a convolution's channels reads for some vectors of outputs."""
VECTORS = 8
"""How many those are."""
VECTOR = 64
"""Bytes of sixteen numbers in single precision, and of a line of the caches."""
WORTH, WORTH_OF_CHANNELS = 32, 3
"""Live weights that a row must have in a block at the least, on average, for blocks to pay: of a matrix, of a
convolution, where each is used at many places."""


@dataclass(frozen=True)
class Arrangement:
    """Rows of live weights. Blocks of columns decide no result, to the last bit."""

    begin: np.ndarray
    """Where each row begins, and each block within it; at last where the last one ends."""
    column: np.ndarray
    """Of every live weight."""
    blocks: int
    """Blocks of columns in a row: what one of them reads fits the nearest cache."""


def of_matrix(places: np.ndarray, rows: int, columns: int) -> Arrangement:
    """Of a matrix of which the weights at these places live, in order."""
    blocks = -(-columns // BLOCK_COLUMNS)
    return arranged(places, rows, columns, BLOCK_COLUMNS if len(places) >= WORTH * rows * blocks else columns)


def of_convolution(places: np.ndarray, shape: Sequence[int]) -> Arrangement:
    """Of a convolution (outputs, inputs, *kernel): a row for each output."""
    outputs, inputs, *kernel = shape
    return arranged(places, outputs, inputs * prod(kernel), width_of(outputs, inputs, kernel, len(places)))


def turned(places: np.ndarray, shape: Sequence[int]) -> tuple[Arrangement, np.ndarray]:
    """The same with a row for each input, and columns for outputs and places of the kernel; whence each weight is."""
    outputs, inputs, *kernel = shape
    size = prod(kernel)
    output, rest = np.divmod(places, inputs * size)
    channel, tap = np.divmod(rest, size)
    others = (channel * outputs + output) * size + tap
    order = np.argsort(others, kind="stable")
    found = arranged(others[order], inputs, outputs * size, width_of(inputs, outputs, kernel, len(places)))
    return found, order.astype(np.int32)


def width_of(rows: int, channels: int, kernel: Sequence[int], count: int) -> int:
    """Columns of a block of channels that are near enough, or of larger ones if those would have too few weights."""
    places = kernel[-1] + VECTORS - 1
    near = max(1, NEAREST // (prod(kernel[:-1]) * places * VECTOR))
    blocks = max(1, min(-(-channels // near), count // (WORTH_OF_CHANNELS * rows)))
    return -(-channels // blocks) * prod(kernel)


def arranged(places: np.ndarray, rows: int, columns: int, width: int) -> Arrangement:
    """Of rows of so many columns, in blocks of so many columns."""
    row, column = np.divmod(places, columns)
    blocks = -(-columns // width)
    begin = np.zeros(rows * blocks + 1, np.int32)
    np.cumsum(np.bincount(row * blocks + column // width, minlength=rows * blocks), out=begin[1:])
    return Arrangement(begin, column.astype(np.int32), blocks)
