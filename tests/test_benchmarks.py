"""The benches, which no test runs, still find everything that they import."""

from __future__ import annotations

import os
import subprocess
import sys

from places import ROOT


def test_the_benches_can_be_collected():
    """`make bench` starts: every file imports, and has benches."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    files = sorted(path.name for path in (ROOT / "benchmarks").glob("test_*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q"],
        cwd=ROOT,
        env=alone,  # under pytest-xdist's variables the benches' plugin warns, and a warning is an error
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (
        sorted({line.split("::")[0].removeprefix("benchmarks/") for line in done.stdout.splitlines() if "::" in line})
        == files
    )
