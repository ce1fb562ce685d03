"""`make gpu` works from end to end: its rehearsal on a CPU as a real process, and what it says without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from places import ROOT

from benchmarks.gpu.results import SCHEMA, Results
from benchmarks.gpu.sections import PARTS

COMMAND = [sys.executable, "-m", "benchmarks.gpu"]
HERE, CHILDREN = ("agreement", "init", "mixed", "dtnet", "judging", "gru", "paper"), ("first", "busy", "kernels")


def rehearsed(out: Path, names: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The command, with time to spare: sizes end a rehearsal, not the clock."""
    words = ["--rehearse", "--seconds", "300", "--out", str(out), "--only", *names]
    return subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, timeout=320, check=False)


@pytest.mark.parametrize("names", [HERE, CHILDREN], ids=["in the process", "in children"])
def test_a_rehearsal_fills_every_section(tmp_path: Path, names: tuple[str, ...]):
    """Rows, tables and a file that says what it holds; nothing contradicts the CPU, and no target is judged."""
    done = rehearsed(tmp_path / "gpu.json", names)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert (content["schema"], content["rehearsal"], content["ok"]) == (SCHEMA, True, True)
    assert content["facts"]["torch"] == torch.__version__
    assert content["facts"]["broken plugins"] == []
    assert [section["name"] for section in content["sections"]] == list(names)
    for section in content["sections"]:
        assert section["status"] == "done", section
        assert section["rows"], section
        assert all(list(row) == section["columns"] for row in section["rows"])
        assert section["title"] in done.stdout
        assert section["mismatches"] == section["troubles"] == section["left_out"] == []
    assert content["targets"] or "kernels" in names
    assert all(target["reached"] is None for target in content["targets"])
    assert not list(tmp_path.glob(".*"))
    if "agreement" in names:
        rows = {section["name"]: section["rows"] for section in content["sections"]}
        assert rows["agreement"][0]["masks"] > 0
        assert rows["agreement"][0]["cells run"] > 0
        assert all(row["µs a step"] > 0 and row["floor, µs a step"] > 0 for row in rows["init"])
        assert all(row["member-steps/s"] > 0 for row in rows["mixed"])
        assert all(row["ms a step"] > 0 for row in (*rows["dtnet"], *rows["gru"]))
        assert rows["judging"][0]["seconds"] > 0
        assert rows["paper"][0]["training, hours"] > 0


def test_the_sections_are_the_ones_that_are_rehearsed():
    """None is left out above."""
    assert sorted(part.name for part in PARTS) == sorted((*HERE, *CHILDREN))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path):
    """Exit status 2, a sentence, and no file."""
    words = [*COMMAND, "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no GPU" in done.stderr
    assert "--rehearse" in done.stderr
    assert not list(tmp_path.iterdir())


def test_another_process_goes_on_with_the_same_file(tmp_path: Path):
    """What it reads is what was written, so that a broken context of CUDA costs one section."""
    results = Results(tmp_path / "gpu.json", rehearsal=False, facts={"card": "none"})
    results.target("speed", "at least", 10.0, "a second", 12.0)
    results.write()
    first = (tmp_path / "gpu.json").read_text(encoding="utf-8")
    again = Results.read(tmp_path / "gpu.json")
    assert (again.facts, again.targets, again.started) == (results.facts, results.targets, results.started)
    again.write()
    one, other = (json.loads(text) for text in (first, (tmp_path / "gpu.json").read_text(encoding="utf-8")))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
