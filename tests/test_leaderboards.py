"""The boards of this repository: every submission is in order, and building again changes nothing."""

from __future__ import annotations

import shutil

import pytest
from places import LEADERBOARDS

from ticketbench.board.build import build_boards
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.suites import Suites

SUBMISSIONS = sorted(LEADERBOARDS.glob("*/*/submissions/*"))


def test_every_suite_has_a_board():
    """The five papers, at a tier at least."""
    assert {path.parts[-4] for path in SUBMISSIONS} == {"drn", "lth", "init", "gradflow", "rnn"}


@pytest.mark.parametrize("folder", SUBMISSIONS, ids=lambda path: "/".join(path.parts[-4:-2]))
def test_a_submission_is_in_order(folder, plugins):
    """Hashes, types, values, and that its results are possible in the suite."""
    suite = Suites(plugins).find(folder.parts[-4])
    bundle = read_bundle(folder, suite)
    assert bundle.tables["cells"].num_rows
    assert (bundle.manifest.suite, bundle.manifest.tier) == folder.parts[-4:-2]


def test_building_again_changes_nothing(tmp_path, plugins):
    """`make boards` on a copy: no file becomes another, and nothing is set aside."""
    root = shutil.copytree(LEADERBOARDS, tmp_path / "leaderboards")
    shown, changed = build_boards(root, Suites(plugins))
    assert [trouble for board in shown for trouble in board.troubles] == []
    assert [str(path.relative_to(root)) for path in changed] == []
