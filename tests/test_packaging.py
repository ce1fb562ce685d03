"""What is published is what is here: every file of the core in the wheel, one version, one list of targets."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

from places import ROOT


def test_a_wheel_holds_the_whole_core_and_says_that_it_is_typed(tmp_path: Path):
    """Every module, template, script and sample below ticketbench/, and `py.typed`."""
    from hatchling.builders.wheel import WheelBuilder

    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    held = set(zipfile.ZipFile(built).namelist())
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ticketbench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"ticketbench/py.typed", "ticketbench/results/results.py", "ticketbench/samples/suite.toml"} <= here
    assert here - held == set()


def test_the_citation_is_of_this_version():
    """Version and license as in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {project['version']}\n" in cited
    assert f"\nlicense: {project['license']}\n" in cited


def test_make_help_lists_every_target():
    """With a sentence each; `make` alone still runs."""
    make = shutil.which("make")
    assert make is not None
    listed = subprocess.run(
        [make, "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [line.split()[1] for line in listed.splitlines()] == targets
    assert all(len(line.split()) > 3 for line in listed.splitlines())
    assert targets[0] == "run"


def test_the_hooks_of_pre_commit_are_the_tools_of_make_lint():
    """All from .venv; none is fetched from elsewhere."""
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert hooks == [
        ".venv/bin/ruff check",
        ".venv/bin/ruff format --check",
        ".venv/bin/mypy",
        ".venv/bin/lint-imports",
    ]
