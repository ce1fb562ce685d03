"""Thrift's compact protocol, as much of it as the metadata and the page headers of a Parquet file need."""

from __future__ import annotations

from typing import Any

MOST_FIELDS, DEEPEST = 100, 12
MOST_ELEMENTS = 20_000


class DamageError(ValueError):
    """Bytes that are no part of a Parquet file, or one that a bundle may not have."""


class Thrift:
    """A reader: numbers, texts, lists and structures. A field that stands twice is refused: two readers may differ."""

    def __init__(self, content: bytes, at: int = 0, end: int | None = None) -> None:
        self.content, self.at = content, at
        self.end = len(content) if end is None else min(end, len(content))

    def byte(self) -> int:
        """The next byte, as a number; a `DamageError` where there is none."""
        if self.at >= self.end:
            raise DamageError("a header runs past its end")
        self.at += 1
        return self.content[self.at - 1]

    def varint(self) -> int:
        """A whole number of ten bytes at most."""
        value = 0
        for shift in range(0, 70, 7):
            part = self.byte()
            value |= (part & 0x7F) << shift
            if part < 0x80:
                return value
        raise DamageError("a header holds a number that does not end")

    def signed(self) -> int:
        """A whole number with a sign, which Thrift writes in zigzag: 0, −1, 1, −2, …"""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, length: int) -> bytes:
        """So many of the next bytes; a `DamageError` where there are fewer."""
        if self.at + length > self.end:
            raise DamageError("a header runs past its end")
        self.at += length
        return self.content[self.at - length : self.at]

    def value(self, kind: int, depth: int) -> Any:
        """The next value, of the type that its number in the header says."""
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind == 9:
            return self.list(depth + 1)
        if kind == 12:
            return self.struct(depth + 1)
        raise DamageError(f"a header holds a value of type {kind}, which none has")

    def list(self, depth: int) -> list[Any]:
        """The elements of the next list, which has a limited length and depth."""
        head = self.byte()
        count = head >> 4 if head >> 4 < 15 else self.varint()
        if count > MOST_ELEMENTS or depth > DEEPEST:
            raise DamageError(f"a header has a list of {count} elements at depth {depth}")
        kind = head & 0x0F
        return [self.byte() if kind in (1, 2) else self.value(kind, depth) for _ in range(count)]

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The next structure, as field number -> value."""
        if depth > DEEPEST:
            raise DamageError("a header is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        for _ in range(MOST_FIELDS):
            head = self.byte()
            if head == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self.signed()
            if number in fields:
                raise DamageError(f"a header has the field {number} twice")
            fields[number] = self.value(head & 0x0F, depth)
        raise DamageError("a header has too many fields")
