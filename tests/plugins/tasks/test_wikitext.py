"""WikiText: small archives of its form, the user's own copies, and the real text where it is."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from file_server import cut_at, placed, serving

from ticketbench import DataError, Shapes, Sizes, data_folder
from ticketbench.datafiles.datafiles import file_state
from ticketbench.datafiles.download import fetch
from ticketbench_tasks.text import Counts
from ticketbench_tasks.wikitext import WIKITEXT_2, WIKITEXT_103, Wikitext, Wikitext2, Wikitext103

REAL = data_folder()
TEXTS = {"train": " \n = A = \n é <unk> A\n", "valid": " A \n", "test": " B A \n"}
COUNTS = Counts(train=9, valid=2, test=3, vocabulary=5)
BOTH = pytest.mark.parametrize(("task", "source"), [(Wikitext2, WIKITEXT_2), (Wikitext103, WIKITEXT_103)])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and counts of the small text."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    for task in (Wikitext2, Wikitext103):
        monkeypatch.setattr(task, "counts", COUNTS)
    return tmp_path / "data"


def archive(name: str, texts: dict[str, str] = TEXTS) -> bytes:
    """A zip file as the official ones are."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for part, text in texts.items():
            file.writestr(f"{name}/wiki.{part}.tokens", text)
    return content.getvalue()


def own(folder: Path, name: str, texts: dict[str, str] = TEXTS) -> None:
    """The user's own copy: files of this name with PART in it."""
    for part, text in texts.items():
        path = folder / name.replace("PART", part)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def check(task: Wikitext) -> None:
    """. = A = . é <unk> A . by hand: A and = come twice."""
    train, validation = task.training()
    assert task.words() == ["<unk>", "<eos>", "=", "A", "é"]
    assert task.prepare(train.inputs).tolist() == [[at] for at in (1, 2, 3, 2, 1, 4, 0, 3)]
    assert train.targets.tolist() == [[at] for at in (2, 3, 2, 1, 4, 0, 3, 1)]
    assert (validation.inputs.tolist(), validation.targets.tolist()) == ([[3]], [[1]])
    assert task.test().inputs.tolist() == [[0], [3]]
    assert task.prepare(train.inputs).dtype == torch.int64
    assert task.sizes() == Sizes(8, 1, 2)


def both_parts(task: Wikitext) -> None:
    """Load everything."""
    task.training()
    task.test()


@BOTH
def test_the_archive_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch, task: type[Wikitext], source):
    """Three members; empty lines count."""
    remote = placed(archive(source.folder), source.remote.name, folder)
    monkeypatch.setattr(task, "source", replace(source, remote=remote))
    assert task().files() == (remote,)
    check(task(window=1))


@BOTH
@pytest.mark.parametrize("name", ["wiki.PART.tokens", "wiki.PART.tokens.gz", "PART.txt", "PART.txt.gz"])
def test_a_copy_of_the_users_is_read(folder: Path, task: type[Wikitext], source, name: str):
    """Under four names; then nothing has to be fetched."""
    own(folder, f"{source.folder}/{name}")
    assert task().files() == ()
    check(task(window=1))


@BOTH
def test_the_archive_comes_before_a_copy(folder: Path, monkeypatch: pytest.MonkeyPatch, task: type[Wikitext], source):
    """The copy is not looked at."""
    own(folder, f"{source.folder}/PART.txt", dict.fromkeys(TEXTS, "another text\n"))
    remote = placed(archive(source.folder), source.remote.name, folder)
    monkeypatch.setattr(task, "source", replace(source, remote=remote))
    check(task(window=1))


@BOTH
@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_copy_of_another_length_is_refused(folder: Path, task: type[Wikitext], source, part: str):
    """Its tokens are counted."""
    own(folder, f"{source.folder}/PART.txt", {**TEXTS, part: TEXTS[part] + "\n"})
    found = rf"\d+ tokens in its part '{part}', not {getattr(COUNTS, part)}"
    with pytest.raises(DataError, match=rf"{source.folder} is not the text of task '{task.name}': {found}"):
        both_parts(task(window=1))


@BOTH
def test_a_copy_that_lacks_a_part_and_no_copy(folder: Path, task: type[Wikitext], source):
    """Without a copy the archive is asked for; what a copy lacks is said before anything is trained."""
    with pytest.raises(DataError, match=rf"needs the file {source.remote.name} .* data fetch {task.name}"):
        task().training()
    own(folder, f"{source.folder}/PART.txt", {"train": TEXTS["train"]})
    for ask in (task().files, task(window=1).training):
        with pytest.raises(
            DataError, match=rf"{source.folder} lacks valid.txt and test.txt: the copy for task '{task.name}'"
        ):
            ask()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive("wikitext-2")[:-40], r"wikitext-2-v1\.zip cannot be read as a \.zip file"),
        (archive("wikitext-3"), r"wikitext-2-v1\.zip lacks wikitext-2/wiki\.train\.tokens"),
        (b"<html>", r"wikitext-2-v1\.zip cannot be read as a \.zip file"),
    ],
    ids=["cut", "other members", "other content"],
)
def test_an_archive_of_another_form_is_refused(folder: Path, monkeypatch, content: bytes, says: str):
    """Even with the right checksum."""
    monkeypatch.setattr(Wikitext2, "source", replace(WIKITEXT_2, remote=placed(content, "wikitext-2-v1.zip", folder)))
    with pytest.raises(DataError, match=says):
        Wikitext2().training()


def test_another_archive_is_refused(folder: Path):
    """The official checksum is asked for."""
    placed(archive("wikitext-2"), "wikitext-2-v1.zip", folder)
    with pytest.raises(DataError, match=r"wikitext-2-v1\.zip is not the file that task 'wikitext2' needs"):
        Wikitext2().test()


def test_a_cut_copy_and_a_wrong_encoding_are_refused(folder: Path):
    """Of a .gz file the end is missing; é is in Latin-1."""
    own(folder, "wikitext-2/PART.txt.gz")
    path = folder / "wikitext-2" / "train.txt.gz"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"train\.txt\.gz cannot be read as a \.gz file: .*end-of-stream"):
        Wikitext2().training()
    path.write_bytes(gzip.compress(TEXTS["train"].encode("latin-1")))
    with pytest.raises(DataError, match=r"train\.txt\.gz is not UTF-8 text: byte 11 is 0xe9"):
        Wikitext2().training()


@pytest.mark.parametrize(("other", "time"), [("è", 2), ("è ", 1)], ids=["another time", "another size"])
def test_a_changed_copy_is_read_again(folder: Path, other: str, time: int):
    """The files of tokens belong to one copy: its sizes and times of change tell."""
    own(folder, "wikitext-103/PART.txt")
    train = folder / "wikitext-103" / "train.txt"
    os.utime(train, ns=(1, 1))
    check(Wikitext103(window=1))
    own(folder, "wikitext-103/PART.txt", {"train": TEXTS["train"].replace("é", other)})
    os.utime(train, ns=(time, time))
    assert Wikitext103(window=1).words() == ["<unk>", "<eos>", "=", "A", "è"]


def test_an_archive_is_fetched_and_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """In two parts."""
    with serving(archive("wikitext-2")) as server:
        server.answers = [cut_at(100)]
        with pytest.raises(DataError, match="100 of"):
            fetch(server.remote, folder)
        fetch(server.remote, folder)
        assert server.ranges == [None, "bytes=100-"]
        monkeypatch.setattr(Wikitext2, "source", replace(WIKITEXT_2, remote=server.remote))
    check(Wikitext2(window=1))


def test_what_is_published(monkeypatch: pytest.MonkeyPatch):
    """Counts, sizes and checksums, without a file."""
    monkeypatch.undo()
    assert Wikitext2(window=1).sizes() == Sizes(2_088_627, 217_645, 245_568)
    assert Wikitext103(window=1).sizes() == Sizes(103_227_020, 217_645, 245_568)
    assert Wikitext2().shapes() == Shapes((35,), 33_278)
    assert Wikitext103().shapes() == Shapes((35,), 267_735)
    assert [source.remote.size for source in (WIKITEXT_2, WIKITEXT_103)] == [4_475_746, 190_229_076]
    assert {len(bytes.fromhex(source.remote.sha256)) for source in (WIKITEXT_2, WIKITEXT_103)} == {32}
    assert WIKITEXT_2.remote.sha256 != WIKITEXT_103.remote.sha256
    assert (Wikitext2.resident, Wikitext103.resident) == (True, False)


def test_the_real_text(monkeypatch: pytest.MonkeyPatch):
    """WikiText-2 has the published counts, and the published vocabulary."""
    copy = any((REAL / "wikitext-2" / name).is_file() for name in ("wiki.train.tokens", "train.txt", "train.txt.gz"))
    if not copy and file_state(WIKITEXT_2.remote, REAL) != "verified":
        pytest.skip(f"WikiText-2 is not in {REAL}: `ticketbench data fetch wikitext2`")
    monkeypatch.undo()
    monkeypatch.setenv("TICKETBENCH_DATA", str(REAL))
    task = Wikitext2()
    words = task.words()
    assert len(words) == 33_278
    assert [len(task.stream(part, words)) for part in ("train", "valid", "test")] == [2_088_628, 217_646, 245_569]
