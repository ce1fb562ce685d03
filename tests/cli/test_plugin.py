"""`ticketbench plugin new` and `plugin check` as real processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from places import STRANGER

KINDS = {
    "scorer": "finite, the right shapes, deterministic, the cell is left alone",
    "method": "exact density, nothing leaks, the same again, alone and in a fleet",
    "model": "stacked members compute what single ones do, training can be repeated",
    "task": "the same splits every time, of the sizes and shapes it says, no test data in training",
    "protocol": "the same stages every time, recipe keys that exist, tasks that fit one another, for prefix_sums",
    "initializer": "finite, in place, drawn from its generator alone",
    "probe": "numbers, the same every time, and it disturbs nothing",
    "suite": "every block of smoke can be planned (10 cells)",
}
"""Kind -> how the verdict on its sample begins."""

IMPORTS = "from dataclasses import dataclass\nimport torch\nfrom ticketbench import *\n"
FAULTY = """
@dataclass(frozen=True)
class Unsteady(Scorer):
    name = "unsteady"
    summary = "another number every time"

    def score(self, trial):
        return {name: torch.rand_like(weight) for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Undefined(Scorer):
    name = "undefined"
    summary = "no number"

    def score(self, trial):
        return {name: weight * torch.nan for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Picky(Scorer):
    name = "picky"
    summary = "refuses every network"

    def score(self, trial):
        raise OptionError("'picky' wants transformers")


@dataclass(frozen=True)
class Ranked(Method):
    name = "ranked"
    summary = "ranks by what is not there"
    ranks_by = "gone"

    def draw(self, trial):
        trial.prune()


@dataclass(frozen=True)
class Torn(Initializer):
    name = "torn"
    summary = "raises"

    def initialize(self, module, mask, generator):
        raise SystemExit(3)


@hookimpl
def ticketbench_scorers():
    return [Unsteady(), Undefined(), Picky()]


@hookimpl
def ticketbench_methods():
    return [Ranked()]


@hookimpl
def ticketbench_initializers():
    return [Torn()]
"""


def test_what_is_written_keeps_its_contract_and_can_be_shown(ticketbench, tmp_path):
    """Every kind, as it is written: checked together, listed, and the suite run."""
    for kind in KINDS:
        written = ticketbench("plugin", "new", kind, f"a_{kind}.py", "--name", f"my_{kind}")
        assert (written.returncode, written.stderr) == (0, "")
        assert f"`ticketbench plugin check a_{kind}.py`" in written.stdout
    paths = [f"a_{kind}.py" for kind in KINDS]
    done = ticketbench("plugin", "check", *paths)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(KINDS)
    for line, (kind, says) in zip(lines, KINDS.items(), strict=True):
        assert line.startswith(f"{kind} my_{kind}: {says}")
    assert "class MyScorer(Scorer):" in (tmp_path / "a_scorer.py").read_text()
    shown = ticketbench("show", "method", "my_method", "--plugin", "a_method.py")
    assert (shown.returncode, "|θ_t| − |θ_0|" in shown.stdout) == (0, True)
    ran = ticketbench("run", "--suite", "my_suite", "--tier", "smoke", "--plugin", "a_suite.py", "--device", "cpu")
    assert ran.returncode == 0, ran.stderr
    assert "10 cells: 10 ok; 10 computed" in ran.stdout


def test_a_package_passes_its_own_tests_and_is_checked_once_it_is_installed(ticketbench, tmp_path):
    """As generated: its test under pytest, its file as a plugin file, and its distribution by its entry point."""
    written = ticketbench("plugin", "new", "package", "my-pruning")
    assert (written.returncode, written.stderr) == (0, "")
    folder = tmp_path / "my-pruning"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()) == [
        "README.md",
        "pyproject.toml",
        "src/my_pruning/__init__.py",
        "src/my_pruning/scorer.py",
        "tests/test_my_pruning.py",
    ]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
            "--target",
            str(tmp_path / "site"),
            str(folder),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    done = ticketbench("plugin", "check", env={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("scorer my_pruning: finite, the right shapes, deterministic")


def test_what_breaks_its_contract_is_named(ticketbench, tmp_path):
    """A line a thing, exit status 1; what refuses everything is not checked, and says so."""
    (tmp_path / "faulty.py").write_text(IMPORTS + FAULTY)
    (tmp_path / "torn.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "odd.toml").write_text("schema = 1\n")
    done = ticketbench("plugin", "check", "faulty.py", "torn.py", "odd.toml")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        lines[0].partition(": ")[0],
        "suite odd.toml",
        "scorer unsteady",
        "scorer undefined",
        "scorer picky",
        "method ranked",
        "initializer torn",
    ]
    assert "plugin 'torn'" in lines[0]
    assert "No module named 'nothing_of_this_name'" in lines[0]
    assert "'name' is missing" in lines[1]
    assert "scorer 'unsteady' is not deterministic for '0.weight'" in lines[2]
    assert "60 of 60 scores of '0.weight' are not finite" in lines[3]
    assert lines[4].startswith("scorer picky: not checked: scorer 'picky' refuses every network of the check.")
    assert "`ranks_by` names no scorer that there is: unknown scorer 'gone'" in lines[5]
    assert lines[6] == f"initializer torn: SystemExit: 3 (at {tmp_path / 'faulty.py'}:48)"


def test_what_could_not_be_checked_is_no_fault(ticketbench, tmp_path):
    """Exit status 0, in words."""
    picky = FAULTY.replace("return [Unsteady(), Undefined(), Picky()]", "return [Picky()]")
    (tmp_path / "picky.py").write_text(IMPORTS + picky.partition("@hookimpl\ndef ticketbench_methods")[0])
    done = ticketbench("plugin", "check", "picky.py")
    assert (done.returncode, done.stdout.partition(": ")[2][:12]) == (0, "not checked:")


def test_an_outside_plugin_with_a_task(ticketbench):
    """All three things that the stranger offers."""
    done = ticketbench("plugin", "check", STRANGER)
    assert done.returncode == 0
    assert "scorer fisher: finite" in done.stdout
    assert "method halfway: exact density" in done.stdout
    assert "task blobs: the same splits every time" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("new", "scorer", "there.py"), "there.py is there already"),
        (("new", "suite", "here.py"), "here.toml is there already"),
        (("new", "package", "folder"), "folder is there already"),
        (("new", "scorer", "mine.txt"), "a file that ends in .py"),
        (("new", "scorer", "a-b.py"), "a name of letters and _"),
        (("new", "package", "7up"), "give a folder and a name of letters and _"),
        (("new", "method", "away/mine.py"), "cannot write away/mine.py: No such file"),
        (("check", "gone.py"), "there is no plugin file at"),
        (("check", "gone.toml"), "there is no suite file at"),
    ],
)
def test_wrong_input_is_one_message(ticketbench, tmp_path, words, says):
    """Exit status 2, and nothing is written over."""
    (tmp_path / "there.py").write_text("mine")
    (tmp_path / "here.toml").write_text("mine")
    (tmp_path / "folder").mkdir()
    done = ticketbench("plugin", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "here.toml", "there.py"]
    assert (tmp_path / "there.py").read_text() == "mine"


def test_a_misspelt_allow_list_is_an_error(ticketbench, monkeypatch):
    """It would otherwise load less than was meant, in silence."""
    monkeypatch.setenv("TICKETBENCH_PLUGINS", "strangr")
    done = ticketbench("list")
    assert done.returncode == 2
    assert "TICKETBENCH_PLUGINS names 'strangr', which is not installed" in done.stderr
