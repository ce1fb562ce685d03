"""The environment over another Python: it sees what is there, and the source tree as if it were installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from benchmarks.gpu.environment import NEEDED, make, requirements


@pytest.mark.skipif(sys.platform == "win32", reason="make and its folders are POSIX")
def test_an_environment_over_this_one_has_torch_and_all_plugins(tmp_path: Path):
    """No build, no network; every plugin of the source tree loads by its entry point."""
    python = make(tmp_path / "over")
    code = (
        "import torch, ticketbench, benchmarks.gpu.sections\n"
        "from ticketbench.plugin.loading import load_plugins\n"
        "found = load_plugins()\n"
        "print(ticketbench.__file__, len(found.origins), found.broken)\n"
    )
    done = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / "ticketbench" / "__init__.py"), "8", "[]"]


def test_what_is_needed_has_the_bounds_of_the_project():
    """One requirement each, torch not among them."""
    lines = requirements()
    assert [line.split(">=")[0] for line in lines] == list(NEEDED)
    assert all(">=" in line for line in lines)
    assert "torch" not in NEEDED


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path):
    """It might be anybody's."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("x", encoding="utf-8")
    words = [sys.executable, "-m", "benchmarks.gpu.environment", str(tmp_path / "wheels"), str(tmp_path / "mine")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "left alone" in done.stdout
    assert (tmp_path / "mine" / "notes").is_file()
