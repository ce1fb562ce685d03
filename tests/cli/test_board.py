"""`ticketbench board` as a real process: build, show, compare, and what it says when something is wrong."""

from __future__ import annotations

import json

import pytest
from board_records import places, row, store

UP, DOWN = [0.5, 0.6, 0.7, 0.8, 0.9, 0.7], [0.4, 0.5, 0.5, 0.6, 0.8, 0.6]


@pytest.fixture
def boards(tmp_path):
    """A board of two submissions in the default folder."""
    root = tmp_path / "leaderboards"
    store(places(root), row("x", 0.1, UP), row("whole", 1.0, UP))
    store(places(root, "theirs"), row("x", 0.1, DOWN))
    return root


def test_build_show_and_open(ticketbench, boards):
    """Files in their places; a board in a pipe as plain lines; everything also as JSON."""
    done = ticketbench("board", "build")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("paper/smoke: 2 submissions, 1 places, 3 entries, 0 incomplete, 0 set aside\n")
    assert (boards / "paper/smoke/index.html").is_file()
    assert json.loads(ticketbench("board", "build", "--json").stdout)["changed"] == []
    done = ticketbench("board", "show", "paper/smoke")
    assert (done.returncode, done.stderr) == (0, "")
    assert "dots, net, density 0.1: accuracy" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "theirs: x" in line)
    assert line.split()[:4] == ["3", "theirs:", "x", "0.5667"]
    said = json.loads(ticketbench("board", "show", "paper/smoke", "--json").stdout)
    (place,) = said["tables"][0]["places"]
    assert [entry["row"] for entry in place["entries"]] == ["whole", "x", "x"]
    assert place["entries"][0]["values"] == UP


def test_compare_submissions_stores_and_rows(ticketbench, boards):
    """A place and name, a folder, a row after a colon; the mark says how A does."""
    done = ticketbench("board", "compare", "paper/smoke/ours", "leaderboards/paper/smoke/submissions/theirs")
    assert (done.returncode, done.stderr) == (0, "")
    assert "+0.1333" in next(line for line in done.stdout.splitlines() if line.endswith(" better"))
    assert "only the left side has it" in done.stdout
    done = ticketbench("board", "compare", "paper/smoke/theirs:x", "paper/smoke/ours:whole", "--json")
    (pair,) = json.loads(done.stdout)
    assert (pair["row"], pair["than"], pair["mark"], pair["flips"]) == ("x", "whole", "worse", 2 / 64)
    assert pair["corrected"] == pytest.approx(0.0014566, rel=1e-3)
    assert pair["differences"] == pytest.approx([-0.1, -0.1, -0.2, -0.2, -0.1, -0.1])
    assert pair["seeds_needed"] is None
    alone = ticketbench("board", "compare", "paper/smoke/theirs", "paper/smoke/ours:whole", "--json")
    assert json.loads(alone.stdout) == [pair]


def test_mistakes_are_one_message(ticketbench, boards):
    """What was wrong, where, and what would work; status 2, no traceback."""
    for words, said in [
        (("show", "paper/smok"), "unknown board 'paper/smok' in leaderboards. Did you mean 'paper/smoke'?"),
        (("open", "paper/smoke"), "`ticketbench board build --root leaderboards` makes it"),
        (("compare", "nothing", "paper/smoke/ours"), "no store or submission 'nothing'. Give a folder"),
        (("compare", "paper/smoke/ours:z", "paper/smoke/ours"), "unknown row 'z' in paper/smoke/ours."),
        (("build", "--root", "nowhere"), "nowhere has no boards."),
    ]:
        done = ticketbench("board", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), words
        assert said in done.stderr


def test_what_is_set_aside_is_shown_and_the_status_is_not_zero(ticketbench, boards):
    """The board is built all the same."""
    (boards / "paper/smoke/submissions/empty").mkdir()
    done = ticketbench("board", "build")
    assert done.returncode == 1
    assert "1 set aside" in done.stdout
    assert done.stderr.startswith("ticketbench: set aside: paper/smoke: empty: ")
    assert (boards / "paper/smoke/index.html").is_file()
