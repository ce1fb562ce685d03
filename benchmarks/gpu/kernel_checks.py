"""The tests that need a GPU, marked `cuda`: kernels against their twins, and what else is captured or compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import ROOT
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from ticketbench.plugin.loading import Plugins

COLUMNS = ("tests", "passed", "failed", "skipped")
MARK = "pytest.mark.cuda"


def check(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row a file of tests. On a machine without a GPU they are found, and skipped."""
    if find_spec("pytest") is None or not (ROOT / "tests").is_dir():
        section.left_out.append("all: pytest or tests/ is not there")
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = ["-m", "pytest", *marked(ROOT / "tests"), "-m", "cuda", "-q"]
        words += ["-p", "no:cacheprovider", "-W", "default", "-o", "filterwarnings=", f"--junitxml={report}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        try:
            done = subprocess.run(
                [sys.executable, *words],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=max(1.0, until.left()),
                check=False,
            )
        except subprocess.TimeoutExpired:
            section.left_out.append("all: they took longer than their share of the time")
            return
        if not report.is_file():
            raise RuntimeError(f"pytest wrote no report: {(done.stdout + done.stderr).strip()[-1500:]}")
        read_report(report, section)
        if done.returncode not in (0, 1, 5):  # passed, some failed, none found
            raise RuntimeError(f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}")


def marked(folder: Path) -> list[str]:
    """The files with tests that need a GPU; others might need what is not installed."""
    return [str(path) for path in sorted(folder.rglob("test_*.py")) if MARK in path.read_text(encoding="utf-8")]


def read_report(report: Path, section: Section) -> None:
    """Count what became of the tests, and keep what the failed ones said."""
    found: dict[str, list[int]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        at = found.setdefault(case.get("classname", ""), [0, 0, 0])
        failure = next((part for part in case if part.tag in ("failure", "error")), None)
        if failure is not None:
            at[1] += 1
            first = (failure.get("message") or "").splitlines()[:1]
            section.mismatches.append(f"{case.get('name')}: {first[0] if first else 'failed'}"[:300])
        elif case.find("skipped") is not None:
            at[2] += 1
        else:
            at[0] += 1
    for tests, counts in sorted(found.items()):
        section.add(**dict(zip(COLUMNS, (tests, *counts), strict=True)))
