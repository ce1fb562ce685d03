"""`ticketbench board calibrate` as a real process, on the committed records."""

from __future__ import annotations

import json

import pytest
from places import ROOT

from ticketbench.cli.calibrate import chosen_folders, document
from ticketbench.errors import OptionError, UnknownNameError
from ticketbench.results.calibration.boards import BOARD_SEEDS, TESTS
from ticketbench.results.calibration.kinds import FAIR, UNLIKE
from ticketbench.results.calibration.table import BEGIN, BOARD_COLUMNS, END


def test_a_small_calibration_is_written_and_printed_for_programs(ticketbench, tmp_path):
    """Two boards of each kind, out of one board's records."""
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n{BEGIN}\n{END}\nits end\n", encoding="utf-8")
    words = ("board", "calibrate", "drn/small", "--root", ROOT / "leaderboards", "--boards", "2", "--seed", "3")
    done = ticketbench(*words, "--write", page, "--json")
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["holds"] else 1)
    assert (said["boards"], said["seed"], said["records"]) == (2, 3, ["drn/small"])
    assert [(one["kind"], one["seeds"], one["test"]) for one in said["rates"]] == [
        (kind.name, seeds, test) for kind in (*FAIR, *UNLIKE) for seeds in BOARD_SEEDS for test in TESTS
    ]
    assert {one["kind"] for one in said["looks"]} == {kind.name for kind in FAIR}
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# A page\n{BEGIN}\n\n2 boards of 20 comparisons")
    assert text.endswith(f"{END}\nits end\n")
    assert f"| {' | '.join(BOARD_COLUMNS)} |" in text


def test_mistakes_are_found_before_anything_is_simulated(tmp_path):
    """A document without marks, one that is not there, a board that is not there: what it needs, or what there is."""
    (tmp_path / "page.md").write_text("no marks\n", encoding="utf-8")
    with pytest.raises(OptionError, match=f"it needs the line {BEGIN} and after it {END}, once each"):
        document(tmp_path / "page.md")
    with pytest.raises(OptionError, match="there is no such file"):
        document(tmp_path / "none.md")
    with pytest.raises(UnknownNameError, match="Did you mean 'drn/small'"):
        chosen_folders(("drn/smal",), ROOT / "leaderboards")
    assert {folder.name for folder in chosen_folders((), ROOT / "leaderboards")} == {"small"}
