"""The boards of this repository: every submission is in order, and building again changes nothing."""

from __future__ import annotations

import math
import shutil

import pytest
from places import LEADERBOARDS

from ticketbench.board.against import side_of
from ticketbench.board.build import build_boards, read_board
from ticketbench.board.bundle.opening import open_records
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.suites import Suites
from ticketbench.report.build import build_report
from ticketbench.results.results import gather_results

SUBMISSIONS = sorted(LEADERBOARDS.glob("*/*/submissions/*"))
BOARDS = sorted({path.parents[1] for path in SUBMISSIONS})


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


OPPOSITE = {"better": "worse", "worse": "better"}


@pytest.mark.parametrize(
    "folder", sorted({path.parents[1] for path in SUBMISSIONS}), ids=lambda path: "/".join(path.parts[-2:])
)
def test_a_board_and_a_report_never_contradict_each_other(folder, plugins):
    """Wherever both speak of the same two sides: a claim's verdict in the report, a mark on the board, an answer."""
    suites = Suites(plugins)
    board = read_board(folder, LEADERBOARDS, suites)
    marks = {
        (side_of(one.line), reference): found.mark
        for table in board.tables
        for place in table.places
        for one in place.standings
        for row, found in one.against.items()
        for reference in [side_of(partner.line) for partner in place.standings if partner.line.row == row]
    }
    for place in (folder / "submissions").iterdir():
        results = gather_results(open_records(str(place)), suites.find(folder.parts[-2]), folder.parts[-1], plugins)
        judgement = build_report(results).judgement
        assert len(judgement.claims) == len(results.suite.claims)
        pooled = {
            (metric, tuple(map(abs, sample.differences)))
            for metric, samples in judgement.samples.items()
            for sample in samples
        }
        for answer in judgement.answers:
            for one in answer.compared:
                if one.found and one.gathered.metric:  # each of several points of one curve, too
                    assert (one.gathered.metric, tuple(map(abs, one.found.differences))) in pooled
                if one.found and answer.question.measure is None:
                    agree(marks, one.gathered.setting, one.gathered.than, one.found.mark)
        for findings in judgement.claims:
            for finding in findings:
                if finding.found is None or not finding.claim.plain or finding.claim.measure is not None:
                    continue
                sides = [key for key, found in judgement.stated.items() if found is finding.found]
                mirrored = [key for key, found in judgement.stated.items() if found.mirrored() == finding.found]
                assert sides or mirrored
                above = {"supports": finding.claim.expect == "higher", "contradicts": finding.claim.expect == "lower"}
                if finding.verdict in above:
                    higher = finding.found.sample.higher_is_better
                    assert finding.found.mark == ("better" if above[finding.verdict] == higher else "worse")
                for key in sides:
                    agree(marks, *key, finding.found.mark)


def agree(marks, left, right, mark):
    """What a board says of two sides, in either order, is what is said elsewhere."""
    for key, expected in (((left, right), mark), ((right, left), OPPOSITE.get(mark, mark))):
        if key in marks:
            assert marks[key] == expected, key


@pytest.mark.parametrize("folder", BOARDS, ids=lambda path: "/".join(path.parts[-2:]))
def test_intervals_stay_inside_their_bounds_and_the_hopeless_are_ranked_last(folder, plugins):
    """Shares within 0 and 1, differences of shares within -1 and 1; who is 50 points behind is told from the best."""
    board = read_board(folder, LEADERBOARDS, Suites(plugins))
    for table in board.tables:
        for place in table.places:
            metric = table.metrics[place.metric]
            low, high = metric.span or (-math.inf, math.inf)
            for one in place.standings:
                assert low <= one.interval.low <= one.interval.mean <= one.interval.high <= high
                for found in one.against.values():
                    assert -metric.most <= found.interval.low <= found.interval.high <= metric.most
            best = max(one.interval.mean for one in place.standings) if metric.percent and place.standings else 0.0
            for one in place.standings:
                if len(place.seeds) >= 10 and best - one.interval.mean > 0.5:
                    assert one.ranks.first > 1
    if board.judged:
        for findings in board.judged.judgement.claims:
            for one in findings:
                if one.interval and one.found and one.found.sample.most == 1 and one.claim.than is None:
                    assert 0 <= one.interval.low <= one.interval.high <= 1


def test_building_again_changes_nothing(tmp_path, plugins):
    """`make boards` on a copy: no file becomes another, and nothing is set aside."""
    root = shutil.copytree(LEADERBOARDS, tmp_path / "leaderboards")
    shown, changed = build_boards(root, Suites(plugins))
    assert [trouble for board in shown for trouble in board.troubles] == []
    assert [str(path.relative_to(root)) for path in changed] == []
