"""`ticketbench plugin new` and `plugin check` as real processes."""

from __future__ import annotations

import pytest
from places import STRANGER

UNSTEADY = """
@dataclass(frozen=True)
class Unsteady(Scorer):
    name = "unsteady"
    summary = "another number every time"

    def score(self, trial):
        return {name: torch.rand_like(weight) for name, weight in trial.weights.items()}


@hookimpl
def ticketbench_scorers():
    return [Unsteady()]
"""
IMPORTS = "from dataclasses import dataclass\nimport torch\nfrom ticketbench import Scorer, hookimpl\n"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("scorer", "scorer my_own: finite, the right shapes, deterministic"),
        ("method", "method my_own: exact density, nothing leaks"),
        ("model", "model my_own: stacked members compute what single ones do, on inputs of 6"),
    ],
)
def test_what_is_written_passes_its_check_and_can_be_shown(ticketbench, tmp_path, kind, says):
    """Each sample works as it is."""
    written = ticketbench("plugin", "new", kind, "mine.py", "--name", "my_own")
    assert (written.returncode, written.stderr) == (0, "")
    assert "class MyOwn(" in (tmp_path / "mine.py").read_text()
    done = ticketbench("plugin", "check", "mine.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(says)
    shown = ticketbench("show", kind, "my_own", "--plugin", "mine.py")
    assert (shown.returncode, "write" in shown.stdout) == (0, True)


def test_what_breaks_its_contract_is_named(ticketbench, tmp_path):
    """A scorer with randomness of its own, and a file that cannot be imported."""
    (tmp_path / "unsteady.py").write_text(IMPORTS + UNSTEADY)
    (tmp_path / "torn.py").write_text("import nothing_of_this_name\n")
    done = ticketbench("plugin", "check", "unsteady.py", "torn.py")
    assert done.returncode == 1
    assert "scorer unsteady: scorer 'unsteady' is not deterministic for" in done.stdout
    assert "plugin 'torn'" in done.stdout
    assert "No module named 'nothing_of_this_name'" in done.stdout


def test_an_outside_plugin_with_a_task(ticketbench):
    """What has no check of its own is said to load."""
    done = ticketbench("plugin", "check", STRANGER)
    assert done.returncode == 0
    assert "scorer fisher: finite" in done.stdout
    assert "method halfway: exact density" in done.stdout
    assert "task blobs: loads" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("new", "scorer", "there.py"), "there.py is there already"),
        (("new", "scorer", "mine.txt"), "a file that ends in .py"),
        (("new", "scorer", "a-b.py"), "a name of letters and _"),
        (("new", "method", "away/mine.py"), "cannot write away/mine.py: No such file"),
        (("check", "gone.py"), "there is no plugin file at"),
    ],
)
def test_wrong_input_is_one_message(ticketbench, tmp_path, words, says):
    """Exit status 2, and nothing is written over."""
    (tmp_path / "there.py").write_text("mine")
    done = ticketbench("plugin", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr
    assert (tmp_path / "there.py").read_text() == "mine"


def test_a_misspelt_allow_list_is_an_error(ticketbench, monkeypatch):
    """It would otherwise load less than was meant, in silence."""
    monkeypatch.setenv("TICKETBENCH_PLUGINS", "strangr")
    done = ticketbench("list")
    assert done.returncode == 2
    assert "TICKETBENCH_PLUGINS names 'strangr', which is not installed" in done.stderr
