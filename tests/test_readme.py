"""README and CONTRIBUTING stay true: their commands and their code are run as they are printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MINUTES = "ticketbench run --suite drn"  # the small tier: `make run` runs it, here it is only planned


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[str]:
    """The ticketbench commands of all shell blocks, without their comments."""
    lines = [line.partition("#")[0].strip() for block in blocks(text, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("ticketbench ")]


def test_make_targets_exist():
    """Every `make` command that the documents show is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = set(re.findall(r"`?make ([a-z-]+)", README + CONTRIBUTING)) - {"it"}
    assert shown
    assert shown <= targets


def test_the_readme_commands_and_code_run(tmp_path):
    """In the order of the README, in one folder, with the plugin file it prints; then it reads its results."""
    python = blocks(README, "python")
    (tmp_path / "mine.py").write_text(next(block for block in python if "mine.py" in block), encoding="utf-8")
    found = commands(README)
    assert len(found) >= 7
    for line in found:
        words = shlex.split(line)[1:] + (["--dry-run"] if line == MINUTES else [])
        done = subprocess.run(
            [sys.executable, "-m", "ticketbench", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    loading = next(block for block in python if "load_state_dict" in block)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom torch import nn\n{loading}\nassert 'ticketbench' not in sys.modules"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reading = next(block for block in python if 'Store("results")' in block)
    done = subprocess.run(
        [sys.executable, "-c", reading + "\nassert {row['status'] for row in cells} == {'ok'}, cells"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_option_shown_exists(text):
    """No command line in the documents has an option that the command does not take."""
    from ticketbench.cli import cli

    for line in commands(text):
        words = shlex.split(line)[1:]
        command = cli.get_command(None, words[0])
        assert command is not None, line
        command = getattr(command, "commands", {}).get(words[1] if len(words) > 1 else "", command)
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_scorer_of_contributing_keeps_the_contract():
    """The first code of CONTRIBUTING is a scorer that passes its own check."""
    code = "\n".join(
        [
            "from dataclasses import dataclass",
            "from ticketbench import Scorer, hookimpl, option",
            "from ticketbench.testing import check_scorer",
            blocks(CONTRIBUTING, "python")[0],
            "check_scorer(Fisher())",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
