"""Pickles as Python 2 wrote them (protocol 2, byte strings), put together opcode by opcode."""

from __future__ import annotations

import struct

import numpy as np

Value = None | bool | int | str | bytes | list["Value"] | dict[bytes, "Value"] | np.ndarray


def pickled(value: Value) -> bytes:
    """A whole pickle."""
    return b"\x80\x02" + opcodes(value) + b"."


def opcodes(value: Value) -> bytes:
    """The opcodes that push a value."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, list):
        return b"](" + b"".join(map(opcodes, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(opcodes(key) + opcodes(part) for key, part in value.items()) + b"u"
    assert isinstance(value, np.ndarray)
    return array(value.tobytes(), value.shape, value.dtype.str[1:].encode())


def array(raw: bytes, shape: tuple[int, ...], dtype: bytes) -> bytes:
    """numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), "b") and its state."""
    made = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + many(0) + opcodes(b"b") + b"\x87R"
    kind = b"cnumpy\ndtype\n" + opcodes(dtype) + opcodes(0) + opcodes(1) + b"\x87R"
    kind += b"(" + b"".join(map(opcodes, (3, b"|", None, None, None, -1, -1, 0))) + b"tb"
    return made + b"(" + opcodes(1) + many(*shape) + kind + opcodes(False) + opcodes(raw) + b"tb"


def many(*values: Value) -> bytes:
    """A tuple."""
    return b"(" + b"".join(map(opcodes, values)) + b"t"
