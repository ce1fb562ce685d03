"""Environments: the commit of the installed source, and facts that are stable under one id."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
import torch

from ticketbench import version
from ticketbench.plugin.loading import Plugins, load_plugins
from ticketbench.store.environment import (
    GIT_VARIABLES,
    available_cores,
    environment_of,
    memory,
    processor,
    source_commit,
)
from ticketbench.store.tables import SCHEMAS


def git(folder: Path, *words: str) -> str:
    """git in a folder, as nobody in particular."""
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def checkout(folder: Path, *files: str) -> str:
    """A repository with these files committed; its commit."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {folder.name}\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ticketbench as if it ran from a checkout of its own, while the user stands in another."""
    (tmp_path / "source").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(version, "__file__", str(tmp_path / "source" / "ticketbench" / "version.py"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in GIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "source"


def commit() -> tuple[str, bool]:
    """What the environment says, asked anew."""
    source_commit.cache_clear()
    try:
        return source_commit()
    finally:
        source_commit.cache_clear()


def test_the_commit_is_of_the_installed_source(installed: Path, tmp_path: Path):
    """Not of the repository that the user stands in."""
    ours = checkout(installed, "pyproject.toml", "ticketbench/__init__.py")
    theirs = checkout(tmp_path / "elsewhere", "pyproject.toml", "notes.txt")
    assert ours != theirs
    assert commit() == (ours, False)


def test_the_commit_is_not_one_that_git_is_pointed_at(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hook of the user's repository runs with GIT_DIR set; that says nothing about the source."""
    ours = checkout(installed, "pyproject.toml", "ticketbench/__init__.py")
    checkout(tmp_path / "elsewhere", "notes.txt")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    assert commit() == (ours, False)


def test_changed_source_is_dirty(installed: Path):
    """A changed file is; a new one that git does not know, such as a results folder, is not."""
    ours = checkout(installed, "pyproject.toml", "ticketbench/__init__.py")
    (installed / "results").mkdir()
    (installed / "results" / "part.parquet").write_text("x")
    assert commit() == (ours, False)
    (installed / "ticketbench" / "__init__.py").write_text("changed = True\n")
    assert commit() == (ours, True)


def test_installed_files_within_somebodys_repository_have_no_commit(installed: Path, tmp_path: Path):
    """A virtual environment inside a project is not the project."""
    checkout(tmp_path, "pyproject.toml", "source/ticketbench/__init__.py")
    assert commit() == ("", False)


def test_a_repository_without_a_commit_has_none(installed: Path):
    """git fails, ticketbench does not."""
    (installed / "pyproject.toml").write_text("")
    git(installed, "init", "-q")
    assert commit() == ("", False)


def test_without_git_there_is_no_commit(installed: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine that has no git still runs suites."""
    checkout(installed, "pyproject.toml")
    monkeypatch.setenv("PATH", "")
    assert commit() == ("", False)


def test_an_environment_is_a_row_of_the_store(plugins: Plugins):
    """Every column of the table, of its type, and nothing else."""
    facts = environment_of(plugins).as_dict()
    schema = SCHEMAS["environments"]
    assert set(facts) == set(schema.names)
    types = {"string": str, "int64": int, "bool": bool}
    assert [name for name in schema.names if not isinstance(facts[name], types[str(schema.field(name).type)])] == []
    assert (facts["ticketbench"], facts["torch"], facts["python"]) == (
        version.__version__,
        torch.__version__,
        platform.python_version(),
    )


def test_the_id_is_of_the_facts(plugins: Plugins):
    """The same twice; another as soon as a fact is another."""
    first = environment_of(plugins).environment
    assert len(first) == 16
    assert environment_of(plugins).environment == first
    assert environment_of(plugins, threads=2).environment != first
    assert environment_of(load_plugins()).environment != first


def test_plugins_are_named_with_their_versions(plugins: Plugins):
    """A stranger's plugin can be told from another version of it."""
    named = environment_of(plugins).plugins.split(", ")
    assert f"ticketbench {version.__version__} (ticketbench_scorers)" in named
    assert any(name.startswith("(file)") and name.endswith("ticketbench_stranger.py)") for name in named)


def test_the_machine(plugins: Plugins):
    """Its processor has a name, and there are cores and memory to run this test in."""
    assert processor()
    assert available_cores() >= 1
    assert memory() > 2**27
