"""`ticketbench report` as a real process."""

from __future__ import annotations

import json

import pytest
from board_bundles import suite_file, tiny_bundle, tiny_store
from paper_store import PAPER, fill
from places import STRANGER


@pytest.fixture
def path(tiny_suite):
    """The tiny suite with a paper."""
    written = tiny_suite()
    written.write_text(written.read_text() + PAPER)
    return written


@pytest.fixture
def call(ticketbench, path):
    """The command on the tiny suite."""
    return lambda *words: ticketbench("report", "--suite", path, "--plugin", STRANGER, *words)


def test_a_report_is_tables_here_and_files_in_a_folder(call, path, plugins, tmp_path):
    """In a pipe plain aligned text; the folder is named after suite and tier."""
    fill(tmp_path / "results", path, plugins)
    done = call()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["A tiny suite for tests", "none", "tier smoke: seconds"]
    assert lines[3] == "4 cells: 4 ok; fp32 on cpu"
    assert "1. CANNOT TELL: pruned is faster" in lines
    why = "2 seeds; it takes 5; every seed gives the same, which leaves no interval"
    assert f"   ours −10 iterations [−10, −10] over 2 seeds; paper −10 iterations; {why}" in lines
    table = lines.index("Figure 1: blobs: accuracy, %")
    assert " ".join(lines[table + 1].split()) == "row seeds best last at 10 at 99 to 50 % notes"
    assert lines[table + 3].split() == ["dense", "paper", "20.0", "20"]
    assert lines[table + 2].index("25 ±7.1") == lines[table + 3].index("20", lines[table + 3].index("20.0") + 4)
    assert "\x1b" not in done.stdout
    files = {"index.html", "figure-1.svg", "figure-1.png", "figure-1.pdf"}
    assert {file.name for file in (tmp_path / "report-tiny-smoke").iterdir()} == files


def test_json_is_one_document_of_everything(call, path, plugins, tmp_path):
    """Claims, figures with their points, tables, and the files that were written."""
    fill(tmp_path / "elsewhere", path, plugins)
    done = call("--tier", "smoke", "--store", "elsewhere", "--output", "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["suite"], said["tier"], said["cells"]) == ("tiny", "smoke", {"ok": 4})
    assert [claim["verdict"] for claim in said["claims"]] == ["cannot tell"]
    assert [one["label"] for one in said["figures"][0]["series"]] == ["dense", "magnitude"]
    assert said["figures"][0]["series"][0]["points"][0] == {
        "x": 10.0,
        "mean": pytest.approx((0.25 + 1 / 6) / 2),
        "low": pytest.approx(1 / 6),
        "high": 0.25,
        "seeds": 2,
    }
    assert said["files"][0] == "out/index.html"
    assert all((tmp_path / file).is_file() for file in said["files"])


def test_an_empty_store_is_one_message(call, path, plugins, tmp_path):
    """What is missing, and the command that computes it; exit status 2, and nothing is written."""
    fill(tmp_path / "results", path, plugins, lambda axes: None)
    done = call()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert (
        "has no cells of suite 'tiny' version 1, tier smoke. `ticketbench run --suite tiny --tier smoke`" in done.stderr
    )
    assert not (tmp_path / "report-tiny-smoke").exists()


def test_no_store_and_an_unknown_tier_are_one_message(call):
    """Each with what would work."""
    done = call()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no store at ./results" in done.stderr
    done = call("--tier", "smok")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unknown tier 'smok' in suite 'tiny'. Did you mean 'smoke'?" in done.stderr


def test_a_submission_is_reported_as_its_store(ticketbench, tmp_path, plugins):
    """`--store` takes a bundle: the same words as of the store that it was made from; a damaged one is refused."""
    store = tiny_store(tmp_path, plugins)
    bundle = tiny_bundle(tmp_path, plugins, store)
    words = ("report", "--suite", suite_file(tmp_path), "--output", "out", "--plugin", STRANGER, "--store")
    done = ticketbench(*words, bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ticketbench(*words, store.address).stdout
    (bundle / "cells.parquet").write_bytes(b"PAR1")
    refused = ticketbench(*words, bundle)
    assert refused.returncode == 2
    assert "is no submission that can be shown: cells.parquet" in refused.stderr
