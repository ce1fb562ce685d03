"""Pickles of NumPy's byte arrays, read without executing anything of what they ask for."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


class Inert:
    """Takes the place of everything that a pickle of an array names: it notes what it is given, and does nothing."""

    __slots__ = ("arguments", "state")

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Inert:
        """Note the arguments, also where no `__init__` would be called."""
        made = super().__new__(cls)
        made.arguments, made.state = arguments, ()
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Dtype(Inert):
    """Stands for numpy.dtype, which is given the name of a type of elements."""

    __slots__ = ()


class Array(Inert):
    """Stands for an array: (version, shape, dtype, Fortran order, bytes) is its state."""

    __slots__ = ()


class NoType(Inert):
    """Stands for numpy.ndarray, which an array names as its type."""

    __slots__ = ()


STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): Array,
    ("numpy", "ndarray"): NoType,
    ("numpy", "dtype"): Dtype,
}
"""All that a pickle may name, as Python 2 wrote it."""


class InertUnpickler(pickle.Unpickler):
    """Knows plain values and the stand-ins."""

    def find_class(self, module: str, name: str) -> type[Inert]:
        """A stand-in; nothing is ever imported."""
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return STAND_INS[module, name]


def read_pickle(content: bytes) -> Any:
    """Plain values, with `Array` in the place of arrays. A `ValueError` says what was wrong; nothing was executed."""
    try:
        return InertUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f"{type(error).__name__}: {error}") from None


def bytes_of(value: Any, columns: int) -> np.ndarray:
    """The (rows, columns) bytes that a stand-in for an array of uint8 holds, or a `ValueError`."""
    if not isinstance(value, Array) or not isinstance(value.state, tuple) or len(value.state) != 5:
        raise ValueError("there is no array where one should be")
    _, shape, dtype, fortran, raw = value.state
    plain = isinstance(dtype, Dtype) and dtype.arguments[:1] == (b"u1",) and not fortran and isinstance(raw, bytes)
    if not plain or shape != (len(raw) // columns, columns) or len(raw) % columns:
        raise ValueError(f"the array is not one of bytes in rows of {columns}")
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape)
