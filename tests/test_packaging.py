"""What is published is what is here: every file of the core in the wheel, one version, one list of targets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from places import ROOT
from pretended_compiler import FAILS, WRITES, compiler, no_compiler

MACHINE = "ticketbench/sparse/native/machine.so"


def wheel(root: Path, folder: Path, version: str = "standard") -> Path:
    """Built from a folder of sources."""
    (built,) = WheelBuilder(str(root)).build(directory=str(folder), versions=[version])
    return Path(built)


def names(archive: Path) -> set[str]:
    """Files of a wheel."""
    return set(zipfile.ZipFile(archive).namelist())


def sources(folder: Path) -> Path:
    """A copy of what a wheel is built from, without any library."""
    for name in ("ticketbench", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_a_wheel_holds_the_whole_core_and_says_that_it_is_typed(tmp_path: Path, monkeypatch):
    """Every module, template, script, sample and source in C below ticketbench/, and `py.typed`."""
    no_compiler(tmp_path, monkeypatch)
    built = wheel(ROOT, tmp_path)
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ticketbench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }
    assert {"ticketbench/py.typed", "ticketbench/results/results.py", "ticketbench/samples/suite.toml"} <= here
    assert "ticketbench/sparse/native/machine.c" in here
    assert here - names(built) == set()


def test_a_wheel_without_a_compiler_is_for_every_machine(tmp_path: Path, monkeypatch, capfd):
    """It says why the library is left out, and takes none that lies about."""
    no_compiler(tmp_path, monkeypatch)
    root = sources(tmp_path)
    (root / MACHINE).write_text("of another machine", encoding="utf-8")
    built = wheel(root, tmp_path)
    assert built.name.endswith("-py3-none-any.whl")
    assert MACHINE not in names(built)
    assert "The sparse engine is left out: there is no C compiler" in "".join(capfd.readouterr())


def test_a_wheel_with_a_compiler_is_for_this_platform_and_leaves_the_sources_alone(tmp_path: Path, monkeypatch):
    """For any Python 3: the library has no symbol of Python's."""
    compiler(tmp_path, WRITES, monkeypatch)
    root = sources(tmp_path)
    built = wheel(root, tmp_path)
    _, _, python, abi, platform = built.stem.split("-")
    assert (python, abi) == ("py3", "none")
    assert sysconfig.get_platform().split("-")[0].replace("win32", "win") in platform
    assert zipfile.ZipFile(built).read(MACHINE).startswith(b"-O3")
    assert not (root / MACHINE).exists()
    assert f"Tag: py3-none-{platform}" in zipfile.ZipFile(built).read(wheel_file(built)).decode()


def wheel_file(built: Path) -> str:
    """The file in which a wheel says what it is for."""
    (found,) = (name for name in names(built) if name.endswith(".dist-info/WHEEL"))
    return found


def test_a_compiler_that_fails_does_not_fail_the_wheel(tmp_path: Path, monkeypatch, capfd):
    """What it said is there to read."""
    compiler(tmp_path, FAILS, monkeypatch)
    assert wheel(sources(tmp_path), tmp_path).name.endswith("-py3-none-any.whl")
    said = "".join(capfd.readouterr())
    assert "no such lane" in said
    assert "The sparse engine is left out" in said


def test_an_editable_installation_compiles_in_place_once(tmp_path: Path, monkeypatch):
    """A library of these sources is left as it is."""
    compiler(tmp_path, WRITES, monkeypatch)
    root = sources(tmp_path)
    assert MACHINE not in names(wheel(root, tmp_path, "editable"))
    made = (root / MACHINE).stat().st_mtime_ns
    wheel(root, tmp_path, "editable")
    assert (root / MACHINE).stat().st_mtime_ns == made


def test_a_wheel_can_be_built_from_the_archive_of_sources(tmp_path: Path, monkeypatch):
    """Sources in C and the hook that compiles them are in it."""
    compiler(tmp_path, WRITES, monkeypatch)
    (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(built) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert not (root / MACHINE).exists()
    assert {MACHINE, "ticketbench/sparse/native/machine.c", "ticketbench/sparse/build.py"} <= names(
        wheel(root, tmp_path)
    )


def test_a_change_of_the_machine_only_compiles(tmp_path: Path):
    """`make env` installs nothing anew for it; a change of pyproject.toml does."""
    root = sources(tmp_path)
    for name in ("Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    (root / ".venv").mkdir()
    early, late = (1, 1), (2, 2)
    for path in root.rglob("*"):
        os.utime(path, early)
    for name in (".installed", ".compiled"):
        (root / ".venv" / name).touch()
        os.utime(root / ".venv" / name, late)

    def plan(changed: str) -> str:
        os.utime(root / changed, (3, 3))
        told = [shutil.which("make") or "make", "--dry-run", "env"]
        done = subprocess.run(told, cwd=root, capture_output=True, text=True, check=True).stdout
        os.utime(root / changed, early)
        return done

    assert "Nothing to be done" in plan("README.md")
    for name in ("native/lanes.h", "native/machine.c", "build.py"):
        planned = plan(f"ticketbench/sparse/{name}")
        assert "sparse/build.py" in planned
        assert "pip" not in planned
    assert "pip install" in plan("pyproject.toml")


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
