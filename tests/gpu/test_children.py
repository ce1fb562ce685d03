"""What a child process prints is kept, also when it fails or is too slow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import LATE, ChildError, lines_of

SAYS = "from benchmarks.gpu.children import say\nsay({'a': 1})\nprint('prose')\n"


@pytest.fixture
def child(tmp_path: Path):
    """The lines of a module that is written for the test."""

    def run(end: str, seconds: float) -> Iterator[dict[str, Any]]:
        (tmp_path / "a_child.py").write_text(SAYS + end, encoding="utf-8")
        paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return lines_of("a_child", [], Allowance.of(seconds), {**os.environ, "PYTHONPATH": paths})

    return run


def test_what_was_said_before_an_error_comes_first(child):
    """Then the error, with the child's last words."""
    lines = child("raise SystemExit('enough of this')", 60.0)
    assert next(lines) == {"a": 1}
    with pytest.raises(ChildError, match="enough of this"):
        next(lines)


def test_what_was_said_before_the_time_was_up_comes_first(child):
    """Then a line that says so, and no error."""
    assert list(child("import time\ntime.sleep(60)", 6.0)) == [{"a": 1}, {LATE: "stopped after 6 s"}]
