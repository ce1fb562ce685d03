"""`ticketbench equivalence` as a process: what it computes, prints and writes, and its exit status."""

from __future__ import annotations

import json

from places import STRANGER


def test_a_check_is_computed_paired_and_written(ticketbench, tiny_suite, tmp_path):
    """Two rows × three seeds in two precisions, in one store; the same command again computes nothing anew."""
    path = tiny_suite(("steps = 20", "steps = 60"))
    words = ("equivalence", "--suite", path, "--tier", "smoke", "--plugin", STRANGER, "--precision", "bf16")
    done = ticketbench(*words, "--seeds", "3", "--workers", "1", "--device", "cpu", "--out", "check.json")
    found = json.loads((tmp_path / "check.json").read_text())
    assert done.returncode == (0 if found["equivalent"] else 1), done.stderr
    assert "12 of 12 cells to compute on 1 worker(s) (cpu, fp32 and bf16)" in done.stderr
    heading = {name: found[name] for name in ("suite", "tier", "precision", "against", "device_class", "rows", "seeds")}
    assert heading == {
        "suite": "tiny",
        "tier": "smoke",
        "precision": "bf16",
        "against": "fp32",
        "device_class": "cpu",
        "rows": ["dense", "magnitude"],
        "seeds": [0, 1, 2],
    }
    (comparison,) = found["comparisons"]
    assert [(row["row"], len(row["trusted"]), len(row["other"])) for row in comparison["rows"]] == [
        ("dense", 3, 3),
        ("magnitude", 3, 3),
    ]
    keys = {cell["key"] for row in comparison["rows"] for side in ("trusted", "other") for cell in row[side]}
    assert len(keys) == 12
    (facts,) = found["environments"]
    assert (bool(facts["torch"]), "plugins" in facts, "commit" in facts) == (True, False, False)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("accuracy: mlp")
    assert lines[1].split() == ["row", "density", "seeds", "fp32", "bf16", "difference", "90", "%", "margin", "p"]
    verdict = "equivalent" if found["equivalent"] else "not shown to be equivalent"
    assert lines[-1] == f"bf16 is {verdict} to fp32"

    again = ticketbench(*words, "--seeds", "3", "--workers", "1", "--device", "cpu", "--json")
    assert json.loads(again.stdout) == found
    assert again.returncode == done.returncode

    one = ticketbench(*words, "--seeds", "1", "--method", "magnitude", "--workers", "1", "--device", "cpu")
    assert "0 of 2 cells to compute" in one.stderr
    assert one.returncode == 1  # without scatter over seeds there is no margin
    assert one.stdout.splitlines()[-1] == "bf16 is not shown to be equivalent to fp32"
