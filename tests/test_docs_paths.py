"""The documents point at files that exist, and the path of a cell is the one that the code takes."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from imports import imported
from places import ROOT

DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
FOLDERS = ("ticketbench", "plugins", "tests", "docs", "benchmarks")
CORE = ROOT / "ticketbench"


def paths(text: str) -> list[str]:
    """What stands in backticks or behind a link and is a path: it begins with a folder of ours, or is a Python file."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"`([\w.-]+/[\w./-]*)`|\]\(([\w.-]+/[\w./-]*)\)", prose)
    named = [code or link for code, link in found]
    return [path for path in named if path.split("/")[0] in FOLDERS or path.endswith(".py")]


def exists(path: str) -> bool:
    """Within the repository; the glossary and the rules for the core leave `ticketbench/` out."""
    return (ROOT / path).exists() or (CORE / path).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_exists(document: Path):
    """In backticks and behind links."""
    assert [path for path in paths(document.read_text(encoding="utf-8")) if not exists(path)] == []


def test_paths_are_found_where_documents_write_them():
    """In backticks, links and tables, but not in blocks of code; what is no path of ours is left alone."""
    text = "see `ticketbench/gone.py` and [docs](docs/gone.md), `a/b`, `engine/gone.py`\n```sh\ncat `tests/x.py`\n```\n"
    assert paths(text) == ["ticketbench/gone.py", "docs/gone.md", "engine/gone.py"]
    assert [path for path in paths(text) if exists(path)] == []
    assert len(paths((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))) > 50
    assert len(paths((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))) > 15


def arrows() -> list[tuple[str, str]]:
    """The arrows between files in CONTRIBUTING's path from command to record."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"^- From command to record.*?(?=^- )", text, flags=re.DOTALL | re.MULTILINE)
    chains = re.findall(r"`[\w/]+\.py`(?:\s+→\s+`[\w/]+\.py`)+", rule)
    files = [re.findall(r"`([\w/]+\.py)`", chain) for chain in chains]
    return [pair for chain in files for pair in pairwise(chain)]


def test_the_path_of_a_cell_is_short_and_begins_with_the_command():
    """Who follows it opens at most nine files."""
    assert arrows()[0][0] == "cli/run.py"
    assert {"store/store.py", "engine/train.py"} <= {end for _, end in arrows()}
    assert len(arrows()) <= 8


@pytest.mark.parametrize(("start", "end"), arrows(), ids=" to ".join)
def test_each_file_on_the_path_of_a_cell_imports_or_starts_the_next(start: str, end: str):
    """A worker is a process of its own: its module's name is what starts it."""
    module = f"ticketbench.{end.removesuffix('.py').replace('/', '.')}"
    assert module in {name for name, _ in imported(CORE / start)} or f'"{module}"' in (CORE / start).read_text()
