"""Text from the disk: the same tokens as in memory, written once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from ticketbench import DataError
from ticketbench.testing import trial_for
from ticketbench_tasks.streamed_text import StreamedText
from ticketbench_tasks.text import Counts, LanguageModelling

LINES = [" ".join(f"w{number}" for number in line) for line in np.random.default_rng(0).zipf(1.5, (900, 9)) % 40]
TEXTS = {"train": "\n".join(LINES) + "\n", "valid": "w1 w2 w3 w1 w2\n", "test": "w1 never w3 w4\n"}
COUNTS = Counts(train=9000, valid=6, test=5, vocabulary=42)


class Source:
    """Blocks of a few lines, and how often a part was read."""

    counts = COUNTS
    reads: ClassVar[list[str]] = []

    def blocks(self, part: str) -> Iterator[str]:
        """Twenty lines a block."""
        self.reads.append(part)
        lines = TEXTS[part].splitlines(keepends=True)
        for at in range(0, len(lines), 20):
            yield "".join(lines[at : at + 20])


@dataclass(frozen=True)
class Streamed(Source, StreamedText):
    """From the disk."""

    name = "given"
    summary = "a text"
    text: ClassVar[str] = "1"

    def identity(self) -> str:
        """A number."""
        return self.text


@dataclass(frozen=True)
class InMemory(Source, LanguageModelling):
    """Of the same name, so that the same sample is drawn."""

    name = "given"
    summary = "a text"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; nothing was read."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(Source, "reads", [])
    return tmp_path


@pytest.mark.parametrize("options", [{}, {"split": "paper"}, {"vocabulary": 7}, {"split": "paper", "data_seed": 1}])
def test_the_splits_are_those_in_memory(options: dict):
    """Inputs when they are prepared, and targets."""
    one, other = (kind(window=3, **options) for kind in (Streamed, InMemory))
    for streamed, expected in zip([*one.training(), one.test()], [*other.training(), other.test()], strict=True):
        assert (streamed.inputs.dtype, streamed.targets.dtype) == (torch.int32, torch.int32)
        assert torch.equal(one.prepare(streamed.inputs), expected.inputs)
        assert torch.equal(streamed.targets.long(), expected.targets)
    assert one.sizes() == other.sizes()


def test_the_text_is_read_once_to_count_and_once_to_write(folder: Path):
    """Later loads, other windows and the sample read the files; other options of the tokens make others."""
    Streamed(window=3).training()
    Streamed(window=3).test()
    assert sorted(Source.reads) == ["test", "train", "train", "valid"]
    Streamed(window=5).training()
    Streamed(window=3, split="paper").training()
    assert len(Source.reads) == 4
    assert len(list(folder.iterdir())) == 5  # words, three parts, and what is left of one
    Streamed(window=3, vocabulary=7).training()
    assert len(Source.reads) == 7


def test_another_sample_has_other_files():
    """In one folder: that of each seed is that in memory."""
    for seed in (42, 1):
        options = {"window": 3, "split": "paper", "data_seed": seed}
        assert torch.equal(Streamed(**options).test().inputs.long(), InMemory(**options).test().inputs)


def test_another_text_has_other_files(monkeypatch: pytest.MonkeyPatch):
    """Although the task has the same name."""
    Streamed(window=3).training()
    monkeypatch.setattr(Streamed, "text", "2")
    Streamed(window=3).training()
    assert len(Source.reads) == 6


def test_batches_are_read_from_the_disk_as_the_engine_asks(folder: Path):
    """A changed file changes the next batch; it comes as int64."""
    task = Streamed(window=3)
    trial, again = (trial_for(task=task) for _ in range(2))
    (before,) = (batch.inputs for batch in trial.batches(1, len(task.training()[0])))
    assert before.dtype == torch.int64
    (path,) = folder.glob("*.train.npy")
    with path.open("r+b") as file:
        file.seek(128 + 4 * 6)
        file.write(b"\x05\0\0\0")
    (after,) = (batch.inputs for batch in again.batches(1, len(task.training()[0])))  # drawn in the same order
    ((place, column),) = (after != before).nonzero().tolist()
    assert (int(after[place, column]), column) == (5, 0)
    (in_order,) = (batch.inputs for batch in again.batches(0, len(task.training()[0])))
    assert in_order[2].tolist() == after[place].tolist() == [5, *before[place, 1:].tolist()]


def test_a_broken_text_leaves_no_file_of_tokens(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The next load begins anew."""

    def broken(self, part: str) -> Iterator[str]:
        yield "a b c\n"
        raise DataError("it ends here")

    task = Streamed(window=3)
    task.words()
    with monkeypatch.context() as patch:
        patch.setattr(Source, "blocks", broken)
        with pytest.raises(DataError, match="it ends here"):
            task.training()
    assert list(folder.glob("*train.npy")) == []
    assert len(replace(task).training()[0]) == 2999


def test_a_damaged_file_of_words_is_named(folder: Path):
    """The remedy is to remove it."""
    Streamed(window=3).training()
    (path,) = folder.glob("*.words.txt")
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"words\.txt cannot be read: .*Remove it"):
        Streamed(window=3).test()
