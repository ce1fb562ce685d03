"""The Penn Treebank: small files of its form, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from file_server import cut_at, placed, serving

from ticketbench import DataError, Shapes, Sizes, data_folder
from ticketbench.datafiles.datafiles import file_state
from ticketbench.datafiles.download import fetch
from ticketbench_tasks.penn_treebank import FILES, PennTreebank
from ticketbench_tasks.text import Counts

REAL = data_folder()
TEXTS = {"train": b" the N <unk> \n the cat \n", "valid": b" cat the \n", "test": b" the dog \n"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_three_files_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """the N <unk> . the cat . by hand; dog is unknown."""
    remotes = {part: placed(TEXTS[part], FILES[part].name, folder) for part in TEXTS}
    monkeypatch.setattr(PennTreebank, "source", remotes)
    monkeypatch.setattr(PennTreebank, "counts", Counts(7, 3, 3, 5))
    task = PennTreebank(window=2)
    train, validation = task.training()
    assert task.words() == ["<unk>", "<eos>", "the", "N", "cat"]
    assert train.inputs.tolist() == [[2, 3], [0, 1], [2, 4]]
    assert train.targets.tolist() == [[3, 0], [1, 2], [4, 1]]
    assert validation.inputs.tolist() == [[4, 2]]
    assert task.test().inputs.tolist() == [[2, 0]]
    assert task.sizes() == Sizes(3, 1, 1)


def test_a_missing_and_a_wrong_file_are_named(folder: Path):
    """The command, and by hand; another content is refused."""
    with pytest.raises(
        DataError, match=r"task 'penn_treebank' needs the file ptb\.train\.txt .* data fetch penn_treebank"
    ):
        PennTreebank().test()
    placed(TEXTS["train"], "ptb.train.txt", folder)
    with pytest.raises(DataError, match=r"ptb\.train\.txt is not the file that task 'penn_treebank' needs"):
        PennTreebank().training()


def test_a_fetch_goes_on_after_a_cut(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """From the byte at which the connection broke; then the text is read."""
    content = TEXTS["train"] * 1000
    with serving(content) as server:
        server.answers = [cut_at(5000)]
        with pytest.raises(DataError, match="5,000 of 24,000 bytes are there"):
            fetch(server.remote, folder)
        fetch(server.remote, folder)
        assert server.ranges == [None, "bytes=5000-"]
        monkeypatch.setattr(PennTreebank, "source", dict.fromkeys(FILES, server.remote))
    monkeypatch.setattr(PennTreebank, "counts", Counts(7000, 7000, 7000, 5))
    task = PennTreebank(window=6999)
    assert len(task.test()) == 1
    assert task.test().inputs.flatten().bincount().tolist() == [1000, 1999, 2000, 1000, 1000]


def test_sizes_and_files_are_known_without_a_file():
    """The published counts, 10,000 words, three files with checksums of 32 bytes."""
    assert PennTreebank().shapes() == Shapes((35,), 10_000)
    assert PennTreebank().sizes() == Sizes(26559, 2107, 2355)
    assert PennTreebank(window=1).sizes() == Sizes(929_588, 73_759, 82_429)
    assert PennTreebank(window=1, split="paper").sizes() == Sizes(920_588, 73_759, 8_999)
    assert [remote.name for remote in PennTreebank().files()] == ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"]
    assert [remote.size for remote in PennTreebank().files()] == [5_101_618, 399_782, 449_945]
    assert {len(bytes.fromhex(remote.sha256)) for remote in PennTreebank().files()} == {32}


def test_the_real_files(monkeypatch: pytest.MonkeyPatch):
    """The published counts."""
    if any(file_state(remote, REAL) != "verified" for remote in FILES.values()):
        pytest.skip(f"the files of penn_treebank are not in {REAL}: `ticketbench data fetch penn_treebank`")
    monkeypatch.setenv("TICKETBENCH_DATA", str(REAL))
    task = PennTreebank(window=1)
    words = task.words()
    assert len(words) == 10_000
    assert [len(task.stream(part, words)) for part in ("train", "valid", "test")] == [929_589, 73_760, 82_430]
    assert task.stream("train", words).dtype == torch.int64
