"""Words: counted in bounded memory, ranked into a vocabulary, and turned into tokens."""

from __future__ import annotations

import heapq
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import IO

import numpy as np

UNKNOWN, END = "<unk>", "<eos>"
RESERVED = (UNKNOWN, END)
"""The first tokens of every vocabulary."""

MOST_DISTINCT = 1_000_000
"""Distinct words that are counted in memory before their counts are put aside on the disk."""
PARTITIONS = 64


class WordCounts:
    """Exact counts of the words and lines of a text, however many distinct words it has.

    When there are more than `MOST_DISTINCT`, all counts are appended to 64 temporary files, a word always to the same
    one, and counting starts anew. In the end each file's counts are added up alone: memory holds `MOST_DISTINCT`
    words, or a 64th of all distinct ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = 0
        self.lines = 0
        self._counts: Counter[str] = Counter()
        self._files: list[IO[str]] = []
        self._open = ExitStack()

    def __enter__(self) -> WordCounts:
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def add(self, block: str) -> None:
        """Count a block of whole lines."""
        words = block.split()
        self.words += len(words)
        self.lines += block.count("\n")
        self._counts.update(words)
        if len(self._counts) > MOST_DISTINCT:
            self.put_aside()

    def put_aside(self) -> None:
        """Append the present counts to the files."""
        if not self._files:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files = [self._open.enter_context(temporary(self.folder)) for _ in range(PARTITIONS)]
        for word, count in self._counts.items():
            self._files[zlib.crc32(word.encode()) % PARTITIONS].write(f"{word} {count}\n")
        self._counts = Counter()

    def totals(self) -> Iterator[tuple[str, int]]:
        """Every distinct word once, and how often it is there."""
        if not self._files:
            yield from self._counts.items()
            return
        self.put_aside()
        for file in self._files:
            file.seek(0)
            total: Counter[str] = Counter()
            for line in file:
                word, _, count = line.rpartition(" ")
                total[word] += int(count)
            yield from total.items()

    def vocabulary(self, limit: int) -> list[str]:
        """`<unk>`, `<eos>`, then the most frequent words, at most `limit` together; ties in the order of characters."""
        ranked = ((-count, word) for word, count in self.totals() if word not in RESERVED)
        return [*RESERVED, *(word for _, word in heapq.nsmallest(limit - len(RESERVED), ranked))]


def temporary(folder: Path) -> IO[str]:
    """A file without a name, gone when it is closed or its process ends."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)


def encoded(blocks: Iterable[str], vocabulary: Sequence[str]) -> Iterator[np.ndarray]:
    """Tokens as int32, block by block: words by their places, others as `<unk>`, line ends as `<eos>`."""
    places = {word: place for place, word in enumerate(vocabulary)}
    for block in blocks:
        words = block.replace("\n", f" {END} ").split()
        yield np.fromiter(map(places.get, words, repeat(places[UNKNOWN])), dtype=np.int32, count=len(words))
