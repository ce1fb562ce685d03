"""The machine reads and writes nothing that is not its own, by the address sanitizer of the C compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sanitized
from machines import needs_machine, single_ways
from places import HELPERS, ROOT

from ticketbench.sparse import build

FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-O0")
TAPES = 24


def preloaded() -> Path:
    """The sanitizer's library, if the compiler has one that a process can begin with."""
    told = [*build.compiler(), "-print-file-name=libasan.so"]
    found = Path(subprocess.run(told, capture_output=True, text=True, check=False).stdout.strip())
    if not found.is_absolute() or python(found, "-c", "import numpy").returncode:
        pytest.skip("this compiler has no address sanitizer that Python can begin with")
    return found


def python(preload: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with the sanitizer before all else."""
    path = os.pathsep.join([str(HELPERS), str(ROOT), str(ROOT / "plugins")])
    options = {"LD_PRELOAD": str(preload), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": path}
    told = [sys.executable, *words]
    return subprocess.run(told, env={**os.environ, **options}, capture_output=True, text=True, check=False, timeout=100)


@needs_machine
def test_no_access_is_out_of_bounds(tmp_path: Path, monkeypatch):
    """Arenas of just the size that is needed, over random tapes; one that is too short shows that it would be seen."""
    preload = preloaded()
    way = single_ways()[-1]
    monkeypatch.setattr(build, "ways", build.ways)
    sanitized.one_way(way)
    library = build.build(FLAGS, tmp_path / "machine.so")
    done = python(preload, sanitized.__file__, str(library), way, str(TAPES))
    assert done.stdout == f"{TAPES} tapes\n", done.stderr
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr
