"""What the tests share: plugins, a tiny suite, fleets in this process, and the command line as a real process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import command
from interpreted import interpreter
from places import STRANGER
from tiny_suite import TINY

from ticketbench import Trial
from ticketbench.engine.execute import execute
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins, load_plugins
from ticketbench.suite.suite import Suite, read_suite
from ticketbench.testing import trial_of_cell

LONGEST_FILES = ("test_readme.py", "test_rehearsed_suites.py", "test_kill.py", "test_verification.py", "test_gpu.py")
"""They begin first: a file is one process's, and the last one should not leave the other core idle for minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, everything else in its order."""
    places = {name: at for at, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(autouse=True)
def one_thread():
    """Results that depend on nothing but the code."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def rates_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs take here is remembered for no user, and corrects no estimate of another test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TICKETBENCH_RATES", str(tmp_path_factory.mktemp("rates") / "rates.json"))
        yield


@pytest.fixture(scope="session")
def interpreted() -> Iterator[Callable[..., tuple[Any, tuple[Any, ...]]]]:
    """Calls a function where kernels are interpreted."""
    if find_spec("triton") is None:
        pytest.skip("triton is not installed: pip install triton")
    with interpreter() as run:
        yield run


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    loaded = load_plugins([STRANGER])
    assert loaded.broken == []
    return loaded


@pytest.fixture
def tiny_suite(tmp_path: Path) -> Callable[..., Path]:
    """A suite file: TINY with replacements of text."""

    def write(*changes: tuple[str, str], name: str = "tiny.toml") -> Path:
        text = TINY
        for old, new in changes:
            assert old in text, f"{old!r} is not in the tiny suite"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def cells_of(plugins: Plugins) -> Callable[..., tuple[Suite, tuple[Cell, ...]]]:
    """The cells of a suite file."""

    def cells(path: Path, tier: str = "smoke", **selection: Any) -> tuple[Suite, tuple[Cell, ...]]:
        suite = read_suite(path)
        return suite, make_plan(suite, tier, plugins, Selection(**selection)).cells

    return cells


@pytest.fixture
def records_of(plugins: Plugins, cells_of) -> Callable[..., list[dict[str, Any]]]:
    """The records of a suite file, computed in this process as fleets of all cells that can share one."""

    def records(path: Path, tier: str = "smoke", fleet: int = 0, **selection: Any) -> list[dict[str, Any]]:
        suite = read_suite(path)
        plan = make_plan(suite, tier, plugins, Selection(**selection))
        found: list[dict[str, Any]] = []
        for part in plan.fleets(plan.cells, "cpu", 1, fleet or 1000):
            found += [record.as_dict() for record in execute(part.cells, Resolver(plugins), suite.headline)]
        by_key = {record["key"]: record for record in found}
        return [by_key[cell.key] for cell in plan.cells]

    return records


@pytest.fixture
def trial_of(plugins: Plugins) -> Callable[..., Trial]:
    """The trial of a cell, at its initialization: what a scorer or a method sees."""

    def trial(cell: Cell) -> Trial:
        return trial_of_cell(cell, plugins)

    return trial


@pytest.fixture
def ticketbench(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line as a real process, in an empty folder of its own."""

    def call(*words: str | Path, timeout: float = 120, env: dict[str, str] | None = None):
        return subprocess.run(
            [*command(*words)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            check=False,
        )

    return call
