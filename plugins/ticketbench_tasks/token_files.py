"""Tokens on the disk: written once, then mapped into memory and never read whole."""

from __future__ import annotations

import fcntl
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from ticketbench import DataError


def write_once(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file under a temporary name and rename it, unless it is there; one process at a time."""
    if target.is_file():
        return
    partial = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if target.is_file():  # another process was first; this may be an empty file of ours
                partial.unlink(missing_ok=True)
            else:
                fill(file, write)
                os.replace(partial, target)
    except OSError as error:
        raise DataError(
            f"cannot write {target}: {error.strerror or error}. TICKETBENCH_DATA names another folder."
        ) from None


def fill(file: BinaryIO, write: Callable[[BinaryIO], None]) -> None:
    """Everything, safely on the disk; nothing of it if that fails."""
    try:
        file.truncate(0)
        write(file)
        file.flush()
        os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):  # the disk may be full
            file.flush()
        os.ftruncate(file.fileno(), 0)
        raise


def write_tokens(file: BinaryIO, pieces: Iterable[np.ndarray]) -> None:
    """A .npy file of int32; its header has the same size whatever the length, and is written again at the end."""
    length = 0
    header(file, length)
    for piece in pieces:
        file.write(piece.astype("<i4", copy=False).tobytes())
        length += len(piece)
    file.seek(0)
    header(file, length)


def header(file: BinaryIO, length: int) -> None:
    """That of a .npy file of so many int32."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": (length,)})


def mapped_tokens(path: Path) -> Tensor:
    """A file of tokens as an int32 tensor; its pages come from the disk when they are read."""
    try:
        tokens = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. Remove it, and it is written again.") from None
    if tokens.ndim != 1 or tokens.dtype != np.int32:
        raise DataError(f"{path} does not hold tokens. Remove it, and it is written again.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the memory cannot be written to, which is what is wanted
        return torch.from_numpy(tokens)


def read_tokens(path: Path, places: Iterable[slice]) -> Iterator[np.ndarray]:
    """Parts of a file of tokens, read without mapping it: what is read does not stay in the process's memory."""
    begin = np.lib.format.open_memmap(path, mode="r").offset
    with path.open("rb") as file:
        for place in places:
            file.seek(begin + 4 * place.start)
            yield np.fromfile(file, dtype="<i4", count=place.stop - place.start)
