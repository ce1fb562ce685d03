"""Words: counts by hand and by a plain counter, with and without files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ticketbench_tasks import words
from ticketbench_tasks.words import WordCounts, encoded

TEXT = ["b a\nb  c\n", "\n", " c b <unk>\n"]


def counted(folder: Path, blocks: list[str]) -> WordCounts:
    """The counts of some blocks."""
    with WordCounts(folder) as counts:
        for block in blocks:
            counts.add(block)
        counts.found = dict(counts.totals())
        counts.ranked = counts.vocabulary(100)
    return counts


def test_words_and_lines_are_counted(tmp_path: Path):
    """Seven words in four lines, one of which is empty; nothing is written."""
    counts = counted(tmp_path, TEXT)
    assert (counts.words, counts.lines) == (7, 4)
    assert counts.found == {"a": 1, "b": 3, "c": 2, "<unk>": 1}
    assert list(tmp_path.iterdir()) == []


def test_the_vocabulary_is_ranked_and_capped(tmp_path: Path):
    """<unk> and <eos> first, then by frequency, then in the order of characters; a cap leaves out the last."""
    counts = WordCounts(tmp_path)
    counts.add("d z é B d é <eos> <unk> <unk> <unk>\n")
    assert counts.vocabulary(100) == ["<unk>", "<eos>", "d", "é", "B", "z"]
    assert counts.vocabulary(5) == ["<unk>", "<eos>", "d", "é", "B"]
    assert counts.vocabulary(3) == ["<unk>", "<eos>", "d"]


def test_counts_are_exact_when_they_are_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """20,000 words of 3,000 distinct ones, 500 of them in memory: those of a plain counter, and no file is left."""
    monkeypatch.setattr(words, "MOST_DISTINCT", 500)
    drawn = [f"w{number}" for number in np.random.default_rng(0).zipf(1.3, 20_000) % 3000]
    blocks = [" ".join(drawn[at : at + 100]) + "\n" for at in range(0, len(drawn), 100)]
    counts = counted(tmp_path / "new", blocks)
    expected = Counter(drawn)
    assert counts._files
    assert counts.found == expected
    assert counts.words == 20_000
    assert counts.ranked[2:] == sorted(expected, key=lambda word: (-expected[word], word))[:98]
    assert list((tmp_path / "new").iterdir()) == []


def test_memory_holds_no_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A block's new words at most above it."""
    monkeypatch.setattr(words, "MOST_DISTINCT", 50)
    with WordCounts(tmp_path) as counts:
        for block in range(100):
            counts.add(" ".join(f"{block}x{number}" for number in range(10)) + "\n")
            assert len(counts._counts) <= 50
        assert len(dict(counts.totals())) == 1000


def test_tokens_by_hand():
    """Words by their places, unknown ones as 0, every line end as 1, <unk> and <eos> in the text as themselves."""
    tokens = list(encoded(["b a\n\n", "x b <unk> <eos>\n"], ["<unk>", "<eos>", "a", "b"]))
    assert [piece.tolist() for piece in tokens] == [[3, 2, 1, 1], [0, 3, 0, 1, 1]]
    assert all(piece.dtype == np.int32 for piece in tokens)
