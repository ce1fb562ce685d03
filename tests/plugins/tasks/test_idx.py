"""The idx format: read exactly, or refused with the reason."""

from __future__ import annotations

import gzip
import math
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketbench import DataError
from ticketbench_tasks.idx import parse_idx, read_idx

PIXELS = bytes(range(1, 13))
IMAGES = b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03" + b"\x00\x00\x00\x02" + PIXELS
SHAPE = (2, 3, 2)

SHAPES = st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple)


def idx(shape: tuple[int, ...], data: bytes, kind: int = 8) -> bytes:
    """A file, unpacked."""
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + data


@pytest.fixture
def packed(tmp_path: Path):
    """A .gz file of some content."""

    def write(content: bytes) -> Path:
        path = tmp_path / "images.gz"
        path.write_bytes(gzip.compress(content))
        return path

    return write


def test_a_file_by_hand_is_read_in_order(packed):
    """Two images of three rows and two columns, the last axis fastest."""
    array = read_idx(packed(IMAGES), SHAPE)
    assert array.tolist() == [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]]
    assert array.dtype == np.uint8
    assert array.flags.writeable


def test_lengths_are_big_endian(packed):
    """300 labels: 00 00 01 2c."""
    content = bytes.fromhex("00000801 0000012c") + bytes(300)
    assert read_idx(packed(content), (300,)).shape == (300,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it begins with nothing, not with 00 00 08 03"),
        (IMAGES[:3], "it begins with 00 00 08, not with 00 00 08 03"),
        (b"\x01" + IMAGES[1:], "it begins with 01 00 08 03, not with 00 00 08 03"),
        (idx(SHAPE, PIXELS, kind=0x0D), "it begins with 00 00 0d 03"),
        (idx((12,), PIXELS), "it begins with 00 00 08 01"),
        (b"<!DOCTYPE html>", "it begins with 3c 21 44 4f"),
        (IMAGES[:15], "it ends within its header of 16 bytes"),
        (idx((2, 2, 3), PIXELS), "its header says 2×2×3"),
        (idx((2**32 - 1, 3, 2), PIXELS), "its header says 4294967295×3×2"),
        (IMAGES[:-1], "1 bytes are missing at its end"),
        (IMAGES[:16], "12 bytes are missing at its end"),
        (IMAGES + b"\x00", "it goes on after its data"),
    ],
)
def test_a_file_of_another_form_is_refused(packed, content: bytes, says: str):
    """Empty, cut anywhere, of another type, number of axes or shape, or too long."""
    with pytest.raises(DataError, match=rf"images\.gz is not an idx file of 2×3×2 bytes: {says}"):
        read_idx(packed(content), SHAPE)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(IMAGES, id="not compressed"),
        pytest.param(gzip.compress(IMAGES)[:-9], id="cut in its data"),
        pytest.param(gzip.compress(IMAGES)[:-4], id="cut in its length"),
        pytest.param(gzip.compress(IMAGES)[:-8] + bytes(8), id="another checksum"),
        pytest.param(gzip.compress(IMAGES)[:10] + b"\xff" * 30, id="broken data"),
        pytest.param(gzip.compress(IMAGES) + b"more", id="something after it"),
    ],
)
def test_a_broken_gz_file_is_refused(tmp_path: Path, content: bytes):
    """Whatever is wrong, it is a `DataError` with the file's name."""
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"images\.gz cannot be read as a \.gz file: "):
        read_idx(path, SHAPE)


def test_a_bomb_is_not_unpacked(tmp_path: Path):
    """64 kB that would grow to 64 MB: never more than 2 MB of memory is taken."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    content = squeeze.compress(IMAGES) + b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(64))
    path = tmp_path / "images.gz"
    path.write_bytes(content + squeeze.flush())
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="goes on after its data"):
            read_idx(path, SHAPE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


@settings(deadline=None)
@given(SHAPES, st.data())
def test_every_array_comes_back(shape: tuple[int, ...], data: st.DataObject):
    """What `struct` and NumPy write is read: axes, order and values."""
    count = math.prod(shape)
    expected = np.array(data.draw(st.lists(st.integers(0, 255), min_size=count, max_size=count)), dtype=np.uint8)
    found = parse_idx(idx(shape, expected.tobytes()), shape)
    assert found.shape == shape
    assert found.ravel().tolist() == expected.tolist()


@settings(deadline=None)
@given(SHAPES, st.data())
def test_every_change_of_length_or_header_is_refused(shape: tuple[int, ...], data: st.DataObject):
    """Cut at any byte, longer by any bytes, or with any other byte in the header."""
    whole = idx(shape, bytes(math.prod(shape)))
    header = 4 + 4 * len(shape)
    at = data.draw(st.integers(0, header - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    changed = [
        whole[: data.draw(st.integers(0, len(whole) - 1))],
        whole + data.draw(st.binary(min_size=1, max_size=9)),
        whole[:at] + bytes([other]) + whole[at + 1 :],
    ]
    for content in changed:
        with pytest.raises(ValueError, match=r"begins with|ends within|header says|missing|goes on"):
            parse_idx(content, shape)


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(content: bytes):
    """Nothing but an array of the shape or a ValueError."""
    try:
        assert parse_idx(content, (2, 2)).shape == (2, 2)
    except ValueError:
        assert content[:12] != idx((2, 2), b"") or len(content) != 16
