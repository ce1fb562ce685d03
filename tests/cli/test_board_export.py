"""`ticketbench board export` as a real process: to standard output, to a file, and what it says when it cannot."""

from __future__ import annotations

import csv
import io
import json

from board_records import places, row, store

WOBBLE = (0.01, -0.01, 0.005, -0.005, 0.0, 0.002)


def test_export_and_overall_on_the_command_line(ticketbench, tmp_path):
    """CSV in a pipe, LaTeX in a file; `board show` has the same standing, in words and as JSON."""
    root = tmp_path / "leaderboards"
    parts = [row("x", density, [mean + one for one in WOBBLE]) for density, mean in ((0.2, 0.7), (0.1, 0.5))]
    store(places(root, "ticketbench"), *parts, row("whole", 1.0, [0.9 + one for one in WOBBLE[::-1]]))
    done = ticketbench("board", "export", "paper/smoke")
    assert (done.returncode, done.stderr) == (0, "")
    whole, x = csv.DictReader(io.StringIO(done.stdout))
    assert (whole["row"], x["row"], x["less"], x["mark"], x["places"]) == ("whole", "x", "whole", "worse", "2")
    done = ticketbench("board", "show", "paper/smoke", "--json")
    (table,) = json.loads(done.stdout)["tables"]
    (contest,) = table["overall"]
    entry = contest["entries"][1]
    assert (entry["row"], entry["difference"]["mean"]) == ("x", float(x["difference"]))
    assert table["thresholds"] == []  # nothing is known of a margin
    shown = ticketbench("board", "show", "paper/smoke").stdout
    assert "Overall: accuracy, over 2 places\n" in shown
    assert "worse: −0.3" in shown
    wanted = (
        "export",
        "paper/smoke",
        "--table",
        "places",
        "--format",
        "latex",
        "--density",
        "0.1",
        "--output",
        "a.tex",
    )
    done = ticketbench("board", *wanted)
    assert (done.stdout, done.stderr) == ("a.tex: the places of paper, tier smoke\n", "")
    text = (tmp_path / "a.tex").read_text()
    assert "\\toprule" in text
    assert "20 \\%" not in text
    done = ticketbench("board", "export", "paper/smoke", "--output", "nowhere/a.csv")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "cannot write nowhere/a.csv: No such file or directory. Give a file in a folder that exists" in done.stderr
