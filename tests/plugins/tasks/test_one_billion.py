"""The One Billion Word benchmark: archives of its form, and what they take of memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from file_server import placed

from ticketbench import DataError, OptionError, Shapes, Sizes
from ticketbench.plugin.options import configure
from ticketbench_tasks.one_billion import ARCHIVE, TRAINING_SHARDS, OneBillion
from ticketbench_tasks.text import Counts

TOP = "1-billion-word-language-modeling-benchmark-r13output"
TRAINING = TOP + "/training-monolingual.tokenized.shuffled/news.en-{:05d}-of-00100"
HELD_OUT = TOP + "/heldout-monolingual.tokenized.shuffled/news.en.heldout-{:05d}-of-00050"
SMALL = {
    TOP + "/README": b"no text",
    HELD_OUT.format(1): b"never read\n",
    TRAINING.format(2): b"the cat sat\nthe\n",
    HELD_OUT.format(0): b"the dog sat\n",
    TRAINING.format(1): "the é cat\n".encode(),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and an archive of two training shards."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(OneBillion, "shards", 2)
    monkeypatch.setattr(OneBillion, "counts", Counts(train=10, valid=0, test=4, vocabulary=6))
    return tmp_path


def archive(members: dict[str, bytes]) -> bytes:
    """A .tar.gz file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as file:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            file.addfile(member, io.BytesIO(text))
    return content.getvalue()


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make a file the archive."""
    monkeypatch.setattr(OneBillion, "source", placed(content, ARCHIVE.name, folder))


def both_parts(task: OneBillion) -> None:
    """Load everything."""
    task.training()
    task.test()


def test_shards_are_read_in_the_order_of_the_archive(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """the cat sat . the . the é cat . by hand; the first held-out shard is judged, with an unknown dog."""
    put(folder, monkeypatch, archive(SMALL))
    task = OneBillion(window=3)
    train, validation = task.training()
    assert task.words() == ["<unk>", "<eos>", "the", "cat", "sat", "é"]
    assert task.prepare(train.inputs).tolist() == [[2, 3, 4], [1, 2, 1], [2, 5, 3]]
    assert train.targets.tolist() == [[3, 4, 1], [2, 1, 2], [5, 3, 1]]
    assert len(validation) == 0
    assert (task.test().inputs.tolist(), task.test().targets.tolist()) == ([[2, 0, 4]], [[0, 4, 1]])
    assert task.sizes() == Sizes(3, 0, 1)


def test_the_vocabulary_is_capped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Four tokens: <unk>, <eos>, the and cat; two at least are no words."""
    put(folder, monkeypatch, archive(SMALL))
    task = configure(OneBillion(), {"vocabulary": 4, "window": 9}, "a test")
    assert task.shapes() == Shapes((9,), 4)
    assert task.words() == ["<unk>", "<eos>", "the", "cat"]
    assert task.training()[0].inputs.tolist() == [[2, 3, 0, 1, 2, 1, 2, 0, 3]]
    with pytest.raises(OptionError, match="at least 3"):
        configure(OneBillion(), {"vocabulary": 2}, "a test")


def test_what_is_published(monkeypatch: pytest.MonkeyPatch):
    """Counts, size and checksum without the archive: 30,301,028 sentences of 768,648,884 words."""
    monkeypatch.undo()
    assert OneBillion(window=1).sizes() == Sizes(768_648_884 + 30_301_028 - 1, 0, 159_657)
    assert OneBillion(window=1, split="paper").sizes() == Sizes(798_949_912 - 7_989_000 - 1, 0, 7_988_999)
    assert OneBillion().shapes() == Shapes((35,), 100_000)
    assert OneBillion().files() == (ARCHIVE,)
    assert (ARCHIVE.size, len(bytes.fromhex(ARCHIVE.sha256)), TRAINING_SHARDS) == (1_792_209_805, 32, 99)
    assert (OneBillion.resident, OneBillion.contiguous) == (False, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>", r"r13output\.tar\.gz cannot be read as a \.tar\.gz archive"),
        (archive(SMALL)[:150], r"r13output\.tar\.gz (cannot be read as a \.tar\.gz|has \d of the 2 members)"),
        (
            archive({name: text for name, text in SMALL.items() if "00002" not in name}),
            r"r13output\.tar\.gz has 1 of the 2 members .*training",
        ),
        (
            archive({name: text for name, text in SMALL.items() if "00000" not in name}),
            r"r13output\.tar\.gz has 0 of the 1 members .*heldout",
        ),
        (
            archive({**SMALL, TRAINING.format(1): b"caf\xe9\n"}),
            r"r13output\.tar\.gz is not UTF-8 text: byte \d+ is 0xe9",
        ),
    ],
    ids=["other content", "cut", "a shard is missing", "the test shard is missing", "encoding"],
)
def test_an_archive_of_another_form_is_refused(folder: Path, monkeypatch, content: bytes, says: str):
    """Even with the right checksum; no file of tokens is left."""
    put(folder, monkeypatch, content)
    with pytest.raises(DataError, match=says):
        both_parts(OneBillion(window=3))
    assert not list(folder.glob("*test.npy"))


def test_without_the_archive_the_remedy_is_named(folder: Path):
    """And another file of its name is refused."""
    with pytest.raises(DataError, match=r"needs the file 1-billion.*\(1,792,209,805 bytes\).* data fetch one_billion"):
        OneBillion().training()
    placed(archive(SMALL), ARCHIVE.name, folder)
    with pytest.raises(DataError, match="is not the file that task 'one_billion' needs"):
        OneBillion().training()


# -- memory ------------------------------------------------------------------------------------------------------

SENTENCES, SHARDS = 16_000, 3
LIMIT = 16 << 20
LOAD = """
import sys
from pathlib import Path
from ticketbench import Remote
from ticketbench_tasks import lines, words
from ticketbench_tasks.one_billion import OneBillion
from ticketbench_tasks.text import Counts

lines.CHUNK = 1 << 16
words.MOST_DISTINCT = 10_000
name, sha256, size, tokens = sys.argv[1:]
OneBillion.source = Remote(name, "", sha256, int(size))
OneBillion.shards = {shards}
OneBillion.counts = Counts(int(tokens), 0, 4, 100_000)
memory = lambda name: next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name))
Path("/proc/self/clear_refs").write_text("5")  # what importing took at its peak is not asked
before = memory("VmRSS")
for split in ("standard", "paper"):
    task = OneBillion(window=20, vocabulary=5_000, split=split)
    train, _ = task.training()
    assert len(train) == task.sizes().train, (len(train), task.sizes())
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_corpus(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """a million tokens with 240,000 words that come once, of which 10,000 are counted in memory, in a process of its
    own: it takes less than a plain counter alone would; and the tokens are those of a plain counter."""
    frequent = [" ".join(map(str, line)) for line in (np.random.default_rng(0).zipf(1.2, (500, 15)) % 6_000).tolist()]
    shards, everything = {}, Counter()
    for shard in range(SHARDS):
        lines = [
            f"{frequent[at % 500]} {shard}a{at} {shard}b{at} {shard}c{at} {shard}d{at} {shard}e{at}"
            for at in range(SENTENCES)
        ]
        text = "\n".join(lines) + "\n"
        everything.update(text.split())
        shards[TRAINING.format(shard + 1)] = text.encode()
    assert sys.getsizeof(everything) + sum(map(sys.getsizeof, everything)) > LIMIT
    remote = placed(archive({**shards, HELD_OUT.format(0): b"1 2 3\n"}), ARCHIVE.name, folder)
    tokens = everything.total() + SENTENCES * SHARDS
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(shards=SHARDS), remote.name, remote.sha256, str(remote.size), str(tokens)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},  # no pool a thread
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < LIMIT
    (path,) = folder.glob("*.train.npy")
    found = np.bincount(np.load(path), minlength=5_000)
    best = sorted(everything, key=lambda word: (-everything[word], word))[:4998]
    assert found[1] == SENTENCES * SHARDS
    assert found[2:].tolist() == [everything[word] for word in best]
    assert found.sum() == tokens == 1_008_000
