"""The glossary names files that exist, and one definition of each class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

CORE = ROOT / "ticketbench"


def entries() -> list[tuple[str, str, str, str]]:
    """(word, what it is, class, file) of every line of the table."""
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [tuple(part.strip() for part in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    return [(word, text, kind.strip("`"), file.strip("`")) for word, text, kind, file in rows[2:]]


def defined(path: Path) -> Iterator[str]:
    """The classes of a file."""
    return (node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))


CLASSES = {path.relative_to(CORE).as_posix(): set(defined(path)) for path in sorted(CORE.rglob("*.py"))}


def test_every_word_is_there_once_in_order_and_in_one_sentence():
    """Words that a newcomer meets, each with what it is."""
    words = [word for word, *_ in entries()]
    assert words == sorted(set(words))
    assert {"ticket", "mask", "regime", "member", "trial", "offer", "claim", "bundle", "verification"} < set(words)
    assert all(text and ". " not in text for _, text, *_ in entries())


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry[0])
def test_a_word_is_defined_where_the_glossary_says(entry):
    """The file exists; the class is there, and nowhere else in the core."""
    _, _, kind, file = entry
    if not file:
        assert kind == ""
        return
    assert (CORE / file).is_file()
    if kind:
        found = [path for path, names in CLASSES.items() if kind in names and not path.startswith("samples/")]
        assert found == [file]
