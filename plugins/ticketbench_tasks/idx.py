"""The idx format of MNIST's files: a header and the bytes of one array, compressed by gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from ticketbench import DataError

BYTES = 0x08
"""The format's code of unsigned bytes; the official files have no other elements."""


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a .gz file, which must be of unsigned bytes and have exactly this shape.

    No more is unpacked than such a file holds, whatever the compressed bytes would grow to.
    """
    expected = 4 + 4 * len(shape) + math.prod(shape)
    try:
        with gzip.open(path) as file:
            content = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a .gz file: {error}") from error
    try:
        return parse_idx(content, shape)
    except ValueError as error:
        raise DataError(f"{path} is not an idx file of {written(shape)} bytes: {error}") from None


def parse_idx(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The array of an unpacked file: 0, 0, the element's code, the number of axes n, n big-endian lengths, the data."""
    header = 4 + 4 * len(shape)
    magic = bytes((0, 0, BYTES, len(shape)))
    if content[:4] != magic:
        raise ValueError(f"it begins with {content[:4].hex(' ') or 'nothing'}, not with {magic.hex(' ')}")
    if len(content) < header:
        raise ValueError(f"it ends within its header of {header} bytes")
    found = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    if found != shape:
        raise ValueError(f"its header says {written(found)}")
    missing = header + math.prod(shape) - len(content)
    if missing:
        raise ValueError(f"{missing:,} bytes are missing at its end" if missing > 0 else "it goes on after its data")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape).copy()


def written(shape: tuple[int, ...]) -> str:
    """A shape as people write it, such as 60000×28×28."""
    return "×".join(map(str, shape))
