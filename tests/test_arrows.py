"""The arrows between the core's rooms, held by import-linter: as it is the house passes, and one wrong arrow fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

LINTER = Path(sys.executable).with_name("lint-imports")
MOST_FILES = 10


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the house of a folder."""
    return subprocess.run(
        [LINTER, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the core with its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "ticketbench", tmp_path / "ticketbench", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_house_keeps_its_contracts(house):
    """Layers, what may not be reached, and no circles."""
    done = lint(house)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


WRONG = {
    "plugin/options.py": ("ticketbench.plan.cell", "ticketbench.plugin is not allowed to import ticketbench.plan"),
    "board/words.py": ("ticketbench.engine.train", "ticketbench.board is not allowed to import ticketbench.engine"),
    "board/bundle/folder.py": ("ticketbench.board.pages", "bundle.folder -> ticketbench.board.pages"),
    "engine/state.py": ("ticketbench.engine.bench", "No cycles are allowed in ticketbench.engine"),
}
"""A file -> what it must not import, and what is said of it: from a room to one above it, from a reader to the engine,
from bundles to boards, around in a room."""


@pytest.mark.parametrize("room", WRONG)
def test_an_arrow_the_wrong_way_fails(house, room: str):
    """One import more, and the linter names it."""
    module, broken = WRONG[room]
    path = house / "ticketbench" / room
    path.write_text(f"{path.read_text(encoding='utf-8')}\nimport {module}\n", encoding="utf-8")
    done = lint(house)
    assert done.returncode == 1
    assert broken in done.stdout


def test_few_files_lie_at_the_door():
    """Whoever opens the core sees rooms, and at most ten files beside them."""
    files = [path.name for path in (ROOT / "ticketbench").iterdir() if path.is_file()]
    assert len(files) <= MOST_FILES, files
