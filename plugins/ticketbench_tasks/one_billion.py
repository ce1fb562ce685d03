"""The One Billion Word benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ticketbench import DataError, Remote, Shapes, Split, option, verified_file
from ticketbench_tasks.lines import lines_of, tar_members
from ticketbench_tasks.streamed_text import StreamedText
from ticketbench_tasks.text import Counts, Part

ARCHIVE = Remote(
    "1-billion-word-language-modeling-benchmark-r13output.tar.gz",
    "http://www.statmt.org/lm-benchmark/1-billion-word-language-modeling-benchmark-r13output.tar.gz",
    sha256="01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e",
    size=1_792_209_805,
)
"""Checksum and size as public lists of data sets have them; the archive itself was not at hand."""

TRAINING_SHARDS = 99
TRAINING = r".*/training-monolingual\.tokenized\.shuffled/news\.en-\d{5}-of-00100"
TEST = r".*/heldout-monolingual\.tokenized\.shuffled/news\.en\.heldout-00000-of-00050"
