"""Overall: how rows stand over many places, and that strangers cannot change how others do."""

from __future__ import annotations

import pytest
from board_records import row, submission

from ticketbench.board.markdown import board_markdown
from ticketbench.board.overall import ranks_in
from ticketbench.board.seen import seen_of
from ticketbench.board.settings import Settings
from ticketbench.board.summaries import summaries_of
from ticketbench.board.table import tables_of
from ticketbench.results.standard import RankRange

WOBBLE = (0.01, -0.01, 0.005, -0.005, 0.0, 0.002)
DENSITIES = (0.2, 0.1)


def rows(name: str, *means: float, densities=DENSITIES, **changes):
    """A row at each density, around a mean, with a scatter of its own."""
    turned = WOBBLE[len(name) % 6 :] + WOBBLE[: len(name) % 6]
    return [
        row(name, density, [mean + one for one in turned], **changes)
        for density, mean in zip(densities, means, strict=True)
    ]


def dense(*values: float):
    """The row that is never pruned."""
    return row("whole", 1.0, values or [0.9 + one for one in WOBBLE])


def contests(*submissions, **settings):
    """The contests of the one table of some submissions."""
    (table,) = tables_of(submissions, Settings(**settings), None)
    return table.contests


def numbers(contest, submission="ticketbench"):
    """What is said of a submission's rows, but the ranks."""
    return {
        one.series: (one.values, one.interval, one.found) for one in contest.contenders if one.series[0] == submission
    }


def test_a_row_is_the_mean_of_its_places_seed_by_seed(tmp_path):
    """Of 0.5 and 0.7 less 0.9: −0.3 a seed but for the wobble; ranks 2 and 3 at one place, 3 and 2 at the other."""
    (contest,) = contests(submission(tmp_path / "ticketbench", *rows("x", 0.7, 0.5), *rows("y", 0.3, 0.6), dense()))
    assert (contest.than, len(contest.places), contest.partial) == ("whole", 2, {})
    whole, x, y = contest.contenders
    assert [one.series[1] for one in contest.contenders] == ["whole", "x", "y"]
    turned = WOBBLE[1:] + WOBBLE[:1]
    assert x.values == pytest.approx([0.6 + one for one in turned])
    assert x.found.differences == pytest.approx([a - b - 0.3 for a, b in zip(turned, WOBBLE, strict=True)])
    assert (whole.found, x.found.mark, y.found.mark) == (None, "worse", "worse")
    assert [(one.rank.mean, one.rank.low) for one in contest.contenders] == [(1, 1), (2.5, 2.5), (2.5, 2.5)]
    assert [one.ranks for one in contest.contenders] == [RankRange(1, 1), RankRange(2, 2), RankRange(3, 3)]


def test_ties_share_a_rank():
    """Two that are best share 1.5; fewer is better where a loss is ranked."""
    import numpy as np

    values = np.array([[0.9, 3.0], [0.9, 1.0], [0.1, 2.0]])
    assert ranks_in(values, True).tolist() == [[1.5, 1.0], [1.5, 3.0], [3.0, 2.0]]
    assert ranks_in(values, False)[:, 1].tolist() == [3.0, 1.0, 2.0]


def test_places_with_other_rows_are_another_contest_and_the_largest_comes_first(tmp_path):
    """Three rows at one density, two at two: four lines over two places lead; of the other only its own place."""
    parts = [*rows("x", 0.5, 0.4, 0.3, densities=(0.4, 0.2, 0.1)), *rows("y", 0.2, densities=(0.4,)), dense()]
    first, second = contests(submission(tmp_path / "ticketbench", *parts))
    assert ([p.density for p in first.places], [p.density for p in second.places]) == ([0.2, 0.1], [0.4])
    assert [one.series[1] for one in second.contenders] == ["whole", "x", "y"]
    at_place = {one.line.row: one for one in second.places[0].standings}
    assert all(one.found is at_place[one.series[1]].against.get("whole") for one in second.contenders)


def test_strangers_split_no_contest_and_change_no_standing_but_the_ranks(tmp_path):
    """Forty wild rows of a stranger, some at one place only: nothing else is said of the reference's rows."""
    ours = submission(tmp_path / "ticketbench", *rows("x", 0.7, 0.5), *rows("yy", 0.3, 0.6), dense())
    wild = [part for at in range(40) for part in rows(f"w{at}", 0.95 - at / 50, 0.9 - at / 60)]
    alone = [*rows("only", 0.5, densities=(0.1,)), *rows("stray", 0.5, densities=(0.05,))]
    theirs = submission(tmp_path / "theirs", *wild, *alone)
    (before,), (after, *others) = contests(ours), contests(ours, theirs)
    assert numbers(after) == numbers(before)
    assert len(after.contenders) == 43
    assert {series[1]: count for series, count in after.partial.items()} == {"only": 1}
    assert [[one.series[1] for one in more.contenders] for more in others] == [["whole", "stray"]]
    ranks = {one.series[1]: one.rank.mean for one in after.contenders}
    assert ranks["x"] > 2.5
    assert all(one.found.seeds == (0, 1, 2, 3, 4, 5) for one in after.contenders if one.series[1] != "whole")


def test_without_rows_to_compare_with_the_mean_of_the_rows_stands_for_one(tmp_path):
    """Of the reference's rows alone; a reference of one row is compared with itself by the others."""
    ours = submission(tmp_path / "ticketbench", *rows("x", 0.7, 0.5), *rows("z", 0.5, 0.3))
    theirs = submission(tmp_path / "theirs", *rows("w", 0.1, 0.1))
    (contest,) = contests(ours, theirs)
    means = {one.series[1]: one.found.interval.mean for one in contest.contenders}
    assert (contest.than, means) == ("", pytest.approx({"x": 0.1, "z": -0.1, "w": -0.4}, abs=0.002))
    single = submission(tmp_path / "b" / "ticketbench", *rows("x", 0.7, 0.5))
    (contest,) = contests(single, theirs)
    assert (contest.than, [one.found is None for one in contest.contenders]) == ("x", [True, False])


def test_without_a_reference_each_submission_has_its_own(tmp_path):
    """Rows of all count for what is a contest; a submission without the row has no difference."""
    one = submission(tmp_path / "one", *rows("x", 0.7, 0.5), dense())
    two = submission(tmp_path / "two", *rows("x", 0.6, 0.5))
    (contest,) = contests(one, two)
    found = {(*part.series[:2],): part.found for part in contest.contenders}
    assert found["one", "x"].interval.mean == pytest.approx(-0.3, abs=0.01)
    assert (found["one", "whole"], found["two", "x"]) == (None, None)


def test_it_stands_at_the_top_of_a_table_in_markdown_and_says_who_is_not_ranked(tmp_path):
    """A hostile name stays text; what is left out is one line below."""
    name = "<b>|x_1"
    parts = [*rows(name, 0.7, 0.5), *rows("y", 0.3, 0.6), dense()]
    theirs = submission(tmp_path / "theirs", *rows("part", 0.5, densities=(0.1,)))
    tables = tables_of([submission(tmp_path / "ticketbench", *parts), theirs], Settings(), None)
    text = board_markdown("t", "", tables, [], [], seen_of("small", tables, None))
    top = text[text.index("### Overall: accuracy, over 2 places") : text.index("### dots")]
    assert "| 2 | ticketbench: &lt;b&gt;\\|x\\_1 | 0.6003 \\[" in top
    assert "▼ −0.3 \\[" in top
    assert "- over dots, net \\(20 %, 10 %\\)" in top
    assert "theirs: part: complete at 1 of 2 places, not ranked" in top
    (summary,) = summaries_of(tables[0])
    assert summary.columns == ("rank", "row", "mean", "less whole", "mean rank")
