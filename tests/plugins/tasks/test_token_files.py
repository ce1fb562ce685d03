"""Files of tokens: written once, by one process, in one piece or not at all."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from ticketbench import DataError
from ticketbench_tasks.token_files import mapped_tokens, read_tokens, write_once, write_tokens

PIECES = [np.array([5, -1, 2**31 - 1], dtype=np.int32), np.array([], dtype=np.int32), np.array([7], dtype=np.int32)]


def written(path: Path) -> Path:
    """A file of four tokens."""
    write_once(path, lambda file: write_tokens(file, PIECES))
    return path


@pytest.mark.parametrize("length", [0, 1, 9, 10, 12_345])
def test_a_file_is_a_npy_file_of_its_length(tmp_path: Path, length: int):
    """NumPy reads it; the header's size does not depend on the length."""
    path = tmp_path / "new" / "a.npy"
    tokens = np.arange(length, dtype=np.int32)
    write_once(path, lambda file: write_tokens(file, np.array_split(tokens, 3)))
    loaded = np.load(path)
    assert (loaded.dtype, loaded.tolist()) == (np.int32, tokens.tolist())
    assert [file.name for file in path.parent.iterdir()] == ["a.npy"]


def test_tokens_stay_on_the_disk(tmp_path: Path):
    """What changes in the file changes in the tensor."""
    path = written(tmp_path / "a.npy")
    tokens = mapped_tokens(path)
    assert (tokens.dtype, tokens.tolist()) == (torch.int32, [5, -1, 2**31 - 1, 7])
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\x09\0\0\0")
    assert tokens.tolist()[-1] == 9


def test_parts_are_read(tmp_path: Path):
    """Slices, in the order asked for."""
    found = read_tokens(written(tmp_path / "a.npy"), [slice(2, 4), slice(0, 1)])
    assert [piece.tolist() for piece in found] == [[2**31 - 1, 7], [5]]


def test_a_file_is_written_once(tmp_path: Path):
    """The second call leaves it."""
    path = written(tmp_path / "a.npy")
    write_once(path, lambda file: pytest.fail("written again"))


def test_one_writes_and_the_others_wait(tmp_path: Path):
    """Two that begin together write once."""
    calls: list[int] = []
    begin = threading.Barrier(2)

    def slow(file: BinaryIO) -> None:
        calls.append(1)
        time.sleep(0.1)
        file.write(b"done")

    def run() -> None:
        begin.wait()
        write_once(tmp_path / "a", slow)

    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert (calls, (tmp_path / "a").read_bytes()) == ([1], b"done")


def test_nothing_is_left_of_a_failed_write_and_a_killed_one_is_written_over(tmp_path: Path):
    """The error comes through; the part is empty; longer rests of before do not stay."""

    def broken(file: BinaryIO) -> None:
        file.write(b"half")
        raise DataError("broken text")

    with pytest.raises(DataError, match="broken text"):
        write_once(tmp_path / "a.npy", broken)
    (part,) = tmp_path.iterdir()
    assert (part.name, part.stat().st_size) == (".a.npy.part", 0)
    part.write_bytes(b"x" * 1000)
    written(tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").tolist() == [5, -1, 2**31 - 1, 7]
    assert (tmp_path / "a.npy").stat().st_size == 128 + 16


def test_a_full_disk_is_named(tmp_path: Path):
    """And how to use another one."""

    def full(file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"cannot write .*a\.npy: No space left on device\. TICKETBENCH_DATA names"):
        write_once(tmp_path / "a.npy", full)


def test_a_damaged_file_is_named(tmp_path: Path):
    """The remedy is to remove it."""
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"a\.npy cannot be read: .*Remove it"):
        mapped_tokens(path)
    for other in (np.zeros((2, 2), np.int32), np.zeros(2)):
        np.save(path, other)
        with pytest.raises(DataError, match=r"a\.npy does not hold tokens\. Remove it"):
            mapped_tokens(path)
