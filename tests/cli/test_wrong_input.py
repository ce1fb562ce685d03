"""Wrong input: one message on standard error, exit status 2, no traceback, and nothing changed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from places import STRANGER
from tiny_suite import TINY

from ticketbench.cli import main
from ticketbench.store.schema import MARKER, SCHEMA_VERSION
from ticketbench.version import __version__

RUN = ("run", "--suite", "drn", "--tier", "smoke", "--method", "dense", "--seeds", "1", "--device", "cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sound suite, wrong ones, and things that are no store."""
    suites = {
        "tiny": TINY,
        "malformed": TINY.replace("densities = [0.5]", "densities = [0.5"),
        "dense_density": TINY.replace("densities = [0.5]", "densities = [1.2]"),
        "misspelt_option": TINY.replace("hidden = [8]", "hiden = [8]"),
        "wrong_option": TINY.replace("hidden = [8]", 'hidden = "8"'),
        "unknown_row": TINY.replace('["dense", "magnitude"]', '["dense", "magnitud"]'),
        "newer": TINY.replace("schema = 1", "schema = 7"),
    }
    for name, text in suites.items():
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "a_file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("chapter 1")
    (tmp_path / "newer_store" / "cells").mkdir(parents=True)
    marker = {"format": "ticketbench store", "schema": SCHEMA_VERSION + 1}
    (tmp_path / "newer_store" / MARKER).write_text(json.dumps(marker))
    (tmp_path / "damaged_store").mkdir()
    (tmp_path / "damaged_store" / MARKER).write_text("not JSON")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every name under a folder with what it holds."""
    found = (Path(place) / name for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in found
        if "__pycache__" not in path.parts
    }


def without_hello(text: str, command: str, *words: str | Path) -> str:
    """What is said behind the line that `run` and `equivalence` begin with, as they take seconds to plan."""
    hello, end, rest = text.partition("\n")
    planning = command in ("run", "equivalence") and hello.startswith(f"ticketbench {__version__}: planning ")
    return rest if planning and end else text


Refused = Callable[..., str]


@pytest.fixture
def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused, in this process; its one message."""

    def refused(*words: str | Path) -> str:
        before = contents(folder)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["ticketbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == 2
        assert said.out == ""
        assert contents(folder) == before
        message = without_hello(said.err, *words)
        assert message.count("\n") == 1, said.err
        assert message.startswith("ticketbench: error: ")
        return message.removeprefix("ticketbench: error: ").strip()

    return refused


SELECTIONS = {
    "suite": (
        ("run", "--suite", "drm"),
        "unknown suite 'drm'. Did you mean 'drn'? Valid: ",
    ),
    "suite file": (
        ("run", "--suite", "gone.toml"),
        "cannot read the suite file gone.toml: No such file or directory. Give the path of a TOML file, or the name",
    ),
    "tier": (
        ("run", "--suite", "drn", "--tier", "smole"),
        "unknown tier 'smole' in suite 'drn'. Did you mean 'smoke'? Valid: hour, paper, small, smoke, wide.",
    ),
    "method": (
        ("run", "--suite", "drn", "--tier", "smoke", "--method", "snipp"),
        "unknown method 'snipp' in --method. Did you mean 'snip'? Valid: ",
    ),
    "option of a method": (
        ("run", "drn", "--tier", "smoke", "--method", "snip[batchs=2]"),
        "--method 'snip[batchs=2]': neither method 'oneshot' nor scorer 'snip' has an option 'batchs'. "
        "Did you mean 'batches'? Valid: batch, batches, scope.",
    ),
    "task": (
        ("run", "--suite", "drn", "--tier", "smoke", "--task", "prefix_sum"),
        "unknown task 'prefix_sum' in --task (suite 'drn', tier smoke). "
        "Did you mean 'prefix_sums'? Valid: prefix_sums.",
    ),
    "density": (
        ("run", "--suite", "drn", "--tier", "smoke", "--density", "1.2"),
        "--density 1.2 is outside (0, 1]: it is the fraction of weights kept",
    ),
    "seeds": (
        ("run", "--suite", "drn", "--tier", "smoke", "--seeds", "0"),
        "--seeds 0 is no number of seeds. Give 1 or more.",
    ),
    "device": (
        ("run", "--suite", "drn", "--tier", "smoke", "--device", "gpu"),
        "unknown --device 'gpu'. Valid: auto, cpu, cuda, cuda:0 …",
    ),
    "device number": (
        ("run", "--suite", "drn", "--tier", "smoke", "--device", "cuda:first"),
        "unknown --device 'cuda:first'. Valid: auto, cpu, cuda, cuda:0 …",
    ),
    "precision": (
        ("run", "--suite", "drn", "--tier", "smoke", "--precision", "fp16"),
        "unknown --precision 'fp16'. Did you mean 'bf16'? Valid: bf16, fp32, tf32.",
    ),
    "no precision to check": (
        ("equivalence", "--suite", "drn", "--tier", "smoke"),
        "--precision is missing: the precision to compare with --against, such as bf16 or tf32",
    ),
    "precision checked against itself": (
        ("equivalence", "--suite", "drn", "--tier", "smoke", "--precision", "fp32"),
        "--precision and --against are both fp32: give two precisions",
    ),
    "precision to check against": (
        ("equivalence", "--suite", "drn", "--tier", "smoke", "--precision", "bf16", "--against", "fp23"),
        "unknown --against 'fp23'. Did you mean 'fp32'? Valid: bf16, fp32, tf32.",
    ),
    "folder of a result": (
        ("equivalence", "--suite", "drn", "--tier", "smoke", "--precision", "bf16", "--out", "gone/found.json"),
        "--out gone/found.json: there is no folder gone",
    ),
    "plugin file": (
        ("run", "--suite", "drn", "--plugin", "gone.py"),
        "there is no plugin file at ",
    ),
    "blocked plugin": (
        ("run", "--suite", "drn", "--no-plugin", "scorer"),
        "--no-plugin 'scorer' blocks nothing. Did you mean 'scorers'? Valid: ",
    ),
    "kind of list": (
        ("list", "scores"),
        "unknown kind 'scores'. Did you mean 'scorers'? Valid: ",
    ),
    "kind of show": (
        ("show", "scoer", "snip"),
        "unknown kind 'scoer'. Did you mean 'scorer'? Valid: ",
    ),
    "name of show": (
        ("show", "scorer", "snop"),
        "unknown scorer 'snop'. Did you mean 'snip'? Valid: ",
    ),
}


@pytest.mark.parametrize(("words", "message"), SELECTIONS.values(), ids=SELECTIONS)
def test_a_wrong_value_on_the_command_line(refused: Refused, words: tuple[str, ...], message: str):
    """The option, the value, and what is valid."""
    assert refused(*words).startswith(message)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(refused: Refused):
    """The option, and which device to use."""
    assert refused("run", "--suite", "drn", "--device", "cuda:1") == (
        "--device cuda:1: this machine has no CUDA device. Use --device cpu."
    )


SUITES = {
    "malformed": "malformed.toml is not valid TOML: Unclosed array (at line 40, column 1)",
    "dense_density": (
        "dense_density.toml: 'tiers.smoke.blocks (number 1).densities (number 1)' must be 1 or less (it is 1.2)"
    ),
    "misspelt_option": (
        "'mlp' has no option 'hiden' (in suite 'tiny', tiers.smoke.blocks (number 1)). "
        "Did you mean 'hidden'? Valid: bias, hidden."
    ),
    "wrong_option": (
        "option 'hidden' of 'mlp' in suite 'tiny', tiers.smoke.blocks (number 1) cannot be '8'. "
        "It takes tuple[int, ...]."
    ),
    "unknown_row": (
        "unknown_row.toml: tiers.smoke.blocks (number 1): no row [methods.magnitud]. "
        "Did you mean 'magnitude'? Valid: dense, imp, magnitude, random, rigl, snip."
    ),
    "newer": "newer.toml is written for suite schema 7; this ticketbench reads 1. Update ticketbench.",
}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("name", SUITES)
def test_a_wrong_suite_file(refused: Refused, command: str, name: str):
    """The file or the suite, the place in it, the value, and what would work."""
    said = refused(command, "--suite", f"{name}.toml", "--plugin", STRANGER, "--device", "cpu")
    assert said == SUITES[name]


def test_a_suite_that_wants_what_a_blocked_plugin_offers(refused: Refused):
    """Without its plugin a name is unknown, and the suite that uses it is named."""
    said = refused(*RUN, "--no-plugin", "models")
    assert said == "unknown model 'dtnet1d' in suite 'drn', tiers.smoke.blocks (number 1). None are registered."


STORES = {
    "a_file": "a_file is a file, not a store. Give --store a folder that you may write to.",
    "foreign": (
        f"foreign is not a ticketbench store: it has files but no {MARKER}. Give --store an empty or a new folder."
    ),
    "newer_store": (
        f"the store newer_store has schema {SCHEMA_VERSION + 1}; this ticketbench reads up to {SCHEMA_VERSION}. "
        "Update ticketbench, or give --store another folder. Nothing was changed."
    ),
}


@pytest.mark.parametrize("words", [RUN, ("plan", *RUN[1:]), ("show", "cell", "abc")], ids=lambda words: words[0])
@pytest.mark.parametrize("store", STORES)
def test_what_is_no_store(refused: Refused, words: tuple[str, ...], store: str):
    """A file, a folder of somebody's own, a store of a later ticketbench: named, and left alone."""
    assert refused(*words, "--store", store) == STORES[store]


def test_a_damaged_store(refused: Refused):
    """The file that is damaged, and what it should say."""
    said = refused(*RUN, "--store", "damaged_store")
    assert f"damaged_store/{MARKER} is damaged: it should say which schema the store has" in said


@pytest.mark.parametrize("store", ["a_file/store", "a_file/below/store", "/proc/ticketbench/store"])
def test_a_store_that_cannot_be_written(refused: Refused, store: str):
    """The address, what the system says, and what --store takes; found before anything is computed."""
    said = refused(*RUN, "--store", store)
    assert said.startswith(f"cannot open the store {store}: ")
    assert said.endswith(". Give --store a folder that you may write to.")


def test_a_store_at_an_address_that_nothing_opens(refused: Refused):
    """An unknown scheme."""
    assert refused(*RUN, "--store", "nowhere://bucket/store").startswith(
        "cannot open the store nowhere://bucket/store: "
    )


def test_there_is_no_store_to_show(refused: Refused):
    """Where it was looked for, and which command makes one."""
    assert refused("show", "cell", "abc") == (
        "there is no store at ./results. `ticketbench run` makes one; --store names it."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--suite", "unknown_row.toml"), SUITES["unknown_row"]),
        ((*RUN, "--store", "foreign"), STORES["foreign"]),
    ],
)
def test_in_a_process_of_its_own(folder: Path, ticketbench, words: tuple[str, ...], message: str):
    """As a user meets it: status 2, the message alone on standard error, nothing changed."""
    before = contents(folder)
    done = ticketbench(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert without_hello(done.stderr, *words) == f"ticketbench: error: {message}\n"
    assert contents(folder) == before
