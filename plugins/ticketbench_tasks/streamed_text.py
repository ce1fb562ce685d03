"""Text that is too large for memory: its tokens are written to a file once and read from there."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from ticketbench import DataError, data_folder
from ticketbench_tasks.text import LanguageModelling, Stream, stretches
from ticketbench_tasks.token_files import mapped_tokens, read_tokens, write_once, write_tokens

FORMAT = 1
"""Raised when the same text would become other tokens."""


@dataclass(frozen=True)
class StreamedText(LanguageModelling):
    """Tokens as int32 in files of the data folder, beside the vocabulary: four bytes a token.

    The text is read once to count words and once for each part to write its tokens, a block at a time; later runs read
    these files alone. Their names have a hash of the text and of what decides its tokens. Inputs stay on the disk:
    only batches are read from it, and are int64; targets stay int32.
    """

    resident = False

    @abstractmethod
    def identity(self) -> str:
        """What decides the text: its checksum, say."""

    def stream(self, name: Stream, words: Sequence[str]) -> Tensor:
        """The tokens of a text, mapped into memory."""
        part = f"{name}-{self.data_seed}" if name in ("rest", "sample") else name
        path = self.place(f"{part}.npy")
        write_once(path, lambda file: write_tokens(file, self.pieces(name, words)))
        return mapped_tokens(path)

    def cut_out(self, sample: bool, words: Sequence[str]) -> Iterator[np.ndarray]:
        """The stretches of the sample, or all others, out of the file of the training part."""
        length = len(self.stream("train", words))
        places = stretches(length, sample, self.data_seed, self.name)
        yield from read_tokens(self.place("train.npy"), places)

    def words(self) -> list[str]:
        """The vocabulary, from its file; counted if there is none."""
        path = self.place("words.txt")
        counted = super().words
        write_once(path, lambda file: write_words(file, counted()))
        try:
            words = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}. Remove it, and it is written again.") from None
        return words

    def place(self, end: str) -> Path:
        """A file of this text."""
        digest = hashlib.sha256(f"{FORMAT} {self.vocabulary} {self.identity()}".encode()).hexdigest()[:16]
        return data_folder() / f"ticketbench-{self.name}-{digest}.{end}"

    def prepare(self, inputs: Tensor) -> Tensor:
        """Tokens as int64, which embeddings take, from the int32 of the file."""
        return inputs.long()


def write_words(file: BinaryIO, words: Sequence[str]) -> None:
    """Write a vocabulary to a file, a word a line."""
    file.write("\n".join(words).encode())
