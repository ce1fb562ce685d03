"""Reading pickles without executing them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from python2 import array, opcodes, pickled

from ticketbench_tasks.inert_pickle import Array, bytes_of, read_pickle

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's new home of _reconstruct
def test_the_test_writes_what_python_2_wrote():
    """The real unpickler and NumPy agree with the hand-made pickle."""
    batch = pickle.loads(pickled({b"data": PIXELS, b"labels": [3, 300, 1]}), encoding="bytes")
    assert batch[b"labels"] == [3, 300, 1]
    assert batch[b"data"].dtype == np.uint8
    assert batch[b"data"].tolist() == PIXELS.tolist()


def test_plain_values_and_byte_arrays_are_read():
    """A dictionary with a list, a string and an array, as in the official files."""
    batch = read_pickle(pickled({b"batch_label": b"testing", b"labels": [3, 0, 9], b"data": PIXELS, b"none": None}))
    assert {key: value for key, value in batch.items() if key != b"data"} == {
        b"batch_label": b"testing",
        b"labels": [3, 0, 9],
        b"none": None,
    }
    assert isinstance(batch[b"data"], Array)
    assert bytes_of(batch[b"data"], 4).tolist() == PIXELS.tolist()
    assert bytes_of(batch[b"data"], 4).dtype == np.uint8


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, protocol: int):
    """The real unpickler would make the folder."""
    content = pickle.dumps({"labels": Malicious(tmp_path / "made")}, protocol=protocol)
    with pytest.raises(ValueError, match=r"it asks for posix\.mkdir, which is refused"):
        read_pickle(content)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "asks",
    [b"cnumpy\nload\n", b"cbuiltins\neval\n", b"c__builtin__\neval\n", b"c_codecs\nencode\n", b"cnumpy\nos.system\n"],
)
def test_everything_but_the_three_names_of_an_array_is_refused(asks: bytes):
    """Also other functions of NumPy."""
    with pytest.raises(ValueError, match="which is refused"):
        read_pickle(b"\x80\x02" + asks + b"U\x01x\x85R.")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        pickled([1, 2])[:-2],
        b"\x80\x02U\x01xQ.",  # a persistent id
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02cnumpy\nndarray\n}U\x01ad.",  # nonsense
        b"\x80\x02cnumpy\nndarray\n}U\x01aU\x01bsb.",  # a state for the stand-in itself
        b"\x80\x02K\x01K\x02\x85R.",  # calling a number
    ],
)
def test_broken_pickles_are_a_value_error(content: bytes):
    """Whatever the unpickler raises."""
    with pytest.raises(ValueError, match="Error"):
        read_pickle(content)


def test_a_stand_in_cannot_be_changed_by_a_pickle():
    """Setting attributes of the stand-in's class fails, and the next pickle is read as ever."""
    with pytest.raises(ValueError, match="Error"):
        read_pickle(b"\x80\x02cnumpy\ndtype\nN}U\x09argumentsU\x01xs\x86b.")
    assert bytes_of(read_pickle(pickled(PIXELS)), 4).tolist() == PIXELS.tolist()


@pytest.mark.parametrize(
    "value",
    [
        opcodes(b"no array"),
        opcodes(None),
        array(b"123456", (3, 2), b"u1"),  # rows of two
        array(b"12345678", (3, 4), b"u1"),  # less than the shape says
        array(b"12345678", (2, 4), b"i8"),  # other numbers
        array(b"12345678", (8,), b"u1"),  # one row
        b"cnumpy.core.multiarray\n_reconstruct\n)\x81",  # an array without a state
        b"cnumpy.core.multiarray\n_reconstruct\n)\x81" + opcodes(7) + b"b",  # a state that is none
    ],
)
def test_an_array_of_anything_else_is_refused(value: bytes):
    """Only bytes in rows of four here."""
    with pytest.raises(ValueError, match="array"):
        bytes_of(read_pickle(b"\x80\x02" + value + b"."), 4)
