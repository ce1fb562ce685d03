"""Tables: who is ranked and who is not, on which seeds, and against whom."""

from __future__ import annotations

import math

import pytest
from board_records import ENVIRONMENT, cell, row, store, submission
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.board.settings import Settings, read_settings
from ticketbench.board.submission import from_store, read_submissions
from ticketbench.board.table import tables_of
from ticketbench.board.words import choice_names, clean, family, file_name, spelled, trouble_text
from ticketbench.errors import StoreError, SuiteError
from ticketbench.results.standard import RankRange

WHOLE = [0.9, 0.8, 0.9]


def table(found, against=(), **settings):
    """The one table of some submissions."""
    (made,) = tables_of(found, Settings(against=against, **settings), None)
    return made


def test_a_row_is_a_mean_with_its_interval_and_differences(tmp_path):
    """Of 0.5, 0.6, 0.7: 0.6 ± 4.303·0.1/√3; less the row that is never pruned −0.4, −0.2, −0.2."""
    made = table([submission(tmp_path / "a", row("x", 0.1, [0.5, 0.6, 0.7]), row("whole", 1.0, WHOLE))])
    (place,) = made.places
    assert [one.line.row for one in place.standings] == ["whole", "x"]
    one = place.standings[1]
    assert (one.interval.mean, one.interval.high) == pytest.approx((0.6, 0.6 + 4.302653 * 0.1 / 3**0.5))
    assert one.against["whole"].differences == pytest.approx((-0.4, -0.2, -0.2))
    assert (one.against["whole"].mark, one.stated) == ("cannot tell", set())
    assert one.ranks == RankRange(1, 2)
    assert made.comparisons == 1
    assert made.notes[-1] == "3 seeds decide nothing, however large a difference is: it takes 5"
    assert one.line.costs["draw_seconds"] == 1.0


@pytest.mark.parametrize(("status", "value"), [("failed", None), ("timeout", None), ("ok", math.inf)])
def test_an_incomplete_entry_is_shown_and_never_ranked(tmp_path, status, value):
    """One seed without a number: no mean over the others, a line of its own with the seed named."""
    broken = [*row("x", 0.1, [0.9, 0.9]), cell("x", 0.1, 2, value, status=status)]
    (place,) = table([submission(tmp_path / "a", broken, row("y", 0.1, WHOLE))]).places
    assert [one.line.row for one in place.standings] == ["y"]
    assert place.standings[0].ranks == RankRange(1, 1)
    (line,) = place.incomplete
    assert line.troubles(place.seeds) == {2: "not a number" if status == "ok" else status}


def test_a_cell_that_diverged_counts_as_the_worst(tmp_path):
    """Without bounds that is the worst that any line has; the line is ranked, and its seed shown as it is."""
    broken = [*row("x", 0.1, [0.9, 0.9]), cell("x", 0.1, 2, None, status="diverged")]
    (place,) = table([submission(tmp_path / "a", broken, row("y", 0.1, WHOLE))]).places
    found = {one.line.row: one for one in place.standings}
    assert found["x"].values == (0.9, 0.9, 0.8)
    assert found["x"].line.seeds[2].status == "diverged"


def test_a_missing_seed_makes_an_entry_incomplete(tmp_path):
    """The seeds are those that most lines have, or those that the settings say; more seeds are not counted."""
    found = [
        submission(
            tmp_path / "a",
            row("x", 0.1, WHOLE),
            row("y", 0.1, WHOLE),
            row("z", 0.1, WHOLE[:2]),
            row("w", 0.1, [*WHOLE, 0.0]),
        )
    ]
    (place,) = table(found).places
    assert place.seeds == (0, 1, 2)
    assert [line.row for line in place.incomplete] == ["z"]
    assert {one.line.row: one.values for one in place.standings}["w"] == tuple(WHOLE)
    (place,) = table(found, seeds=(0, 1, 2, 3)).places
    assert [line.row for line in place.incomplete] == ["x", "y", "z"]
    assert trouble_text(place.incomplete[2].troubles(place.seeds)) == "missing: seed 2, 3"


def test_versions_tiers_precisions_and_devices_never_share_a_table(tmp_path):
    """Each its own table, the newest version first; ranks are counted within."""
    changes = ({}, {"suite_version": 2}, {"precision": "tf32"}, {"device_class": "cuda"}, {"tier": "small"})
    parts = [row("x", 0.1, WHOLE, **change) for change in changes]
    for at, part in enumerate(parts):
        for one in part:
            one["key"] += f"-{at}"
    made = tables_of(from_store(store(tmp_path / "a", *parts), "a"), Settings(), None)
    assert len(made) == 5
    assert made[0].version == 2
    assert all(one.ranks == RankRange(1, 1) for each in made for one in each.places[0].standings)


def test_the_reference_submission_is_what_others_are_compared_with(tmp_path):
    """Where it has the row; else each submission's own."""
    own = submission(tmp_path / "other", row("x", 0.1, [0.5] * 3), row("whole", 1.0, [0.1] * 3))
    reference = submission(tmp_path / "ticketbench", row("whole", 1.0, WHOLE))
    (place,) = table([own, reference]).places
    by_name = {(one.line.submission, one.line.row): one.against for one in place.standings}
    assert by_name["other", "x"]["whole"].interval.mean == pytest.approx(0.5 - 2.6 / 3)
    assert by_name["other", "whole"]["whole"].interval.mean == pytest.approx(0.1 - 2.6 / 3)
    assert by_name["ticketbench", "whole"] == {}
    (place,) = table([own]).places
    assert {one.line.row: one.against for one in place.standings}["x"]["whole"].interval.mean == pytest.approx(0.4)


def test_what_is_never_pruned_stands_at_every_density_and_is_tested_once(tmp_path):
    """Two rows that are never pruned are one comparison, whatever the number of densities."""
    made = table(
        [
            submission(
                tmp_path / "a", row("x", 0.1, WHOLE), row("x", 0.2, WHOLE), row("v", 1.0, WHOLE), row("w", 1.0, WHOLE)
            )
        ],
        against=("w",),
    )
    assert [(place.density, len(place.standings)) for place in made.places] == [(0.2, 3), (0.1, 3)]
    assert made.comparisons == 3


def test_methods_that_can_be_told_apart_have_ranks_of_their_own(tmp_path):
    """Ten seeds, three rows far apart, one place: the ranges are single ranks, the best first."""
    scatter = [0.01, -0.01, 0.02, -0.02, 0.005, -0.005, 0.015, -0.015, 0.0, 0.001]
    rows = [row(name, 0.1, [base + part for part in scatter]) for name, base in (("c", 0.1), ("a", 0.9), ("b", 0.5))]
    (place,) = table([submission(tmp_path / "a", *rows)]).places
    assert [(one.line.row, one.ranks) for one in place.standings] == [
        ("a", RankRange(1, 1)),
        ("b", RankRange(2, 2)),
        ("c", RankRange(3, 3)),
    ]


def test_a_cell_computed_again_counts_once(tmp_path):
    """The later record; the note says how many were left out."""
    again = [cell("x", 0.1, 0, 0.1, key="later", finished=2.0)]
    made = table([submission(tmp_path / "a", row("x", 0.1, WHOLE), again)])
    assert made.places[0].standings[0].values == (0.1, 0.8, 0.9)
    assert made.notes[0] == "a: left out 1 cells that were computed again later"


def test_a_curve_is_the_mean_of_all_seeds(tmp_path):
    """At every x that all seeds have; none where a seed has no curve."""
    both = [cell("x", 0.1, 0, 0.5, points={1: 0.2, 2: 0.4, 3: 0.9}), cell("x", 0.1, 1, 0.5, points={1: 0.4, 2: 0.8})]
    bare = [cell("y", 0.1, 0, 0.5, points={1: 0.2}), cell("y", 0.1, 1, 0.5)]
    made = table([submission(tmp_path / "a", both, bare)])
    lines = {one.line.row: one.line for one in made.places[0].standings}
    assert lines["x"].x_name == "iterations"
    assert [x for x, _ in lines["x"].curve] == [1.0, 2.0]
    assert [y for _, y in lines["x"].curve] == pytest.approx([0.3, 0.6])
    assert lines["y"].curve == []


def test_settings_come_from_the_board_and_from_all_boards(tmp_path):
    """The board's own keys win; a wrong key is one message with the file and the keys there are."""
    board = tmp_path / "paper" / "smoke"
    board.mkdir(parents=True)
    (tmp_path / "board.toml").write_text('against = ["a"]\nreference = "r"\n')
    (board / "board.toml").write_text("seeds = [1, 2]\nreference = 's'\n")
    found = read_settings(board, tmp_path)
    assert (found.against, found.reference, found.seeds) == (("a",), "s", (1, 2))
    (board / "board.toml").write_text("seed = [1]\n")
    with pytest.raises(
        SuiteError, match=r"smoke/board\.toml: unknown key 'seed'\..* Valid: against, reference, seeds\.$"
    ):
        read_settings(board, tmp_path)


def test_a_folder_that_is_neither_is_said(tmp_path):
    """A store or a submission; the message says what makes them."""
    with pytest.raises(StoreError, match=r"neither a store .* nor a submission"):
        read_submissions(tmp_path)
    assert read_submissions(store(tmp_path / "s", row("x", 0.1, WHOLE)).local)[0].environments == [ENVIRONMENT]


def test_a_choice_is_named_by_what_tells_it_from_others():
    """Options that all share are left out; what cannot be read stands as it came; two never have one name."""
    found = choice_names(
        ['mlp {"bias":true,"hidden":[16]}', 'mlp {"bias":true,"hidden":[300]}', "net", "net {", "x\ty"]
    )
    assert list(found.values()) == ["mlp hidden=[16]", "mlp hidden=[300]", "net", "net {", "x y"]
    assert list(choice_names(["a\tb", "a b", "a\nb"]).values()) == ["a b", "a b (2)", "a b (3)"]


def test_a_family_is_the_plugin_without_its_options():
    """The first word, a dash where there is none; spelled out it has all options, whatever stands there."""
    assert spelled('rigl {"every":100,"scope":"erk"}') == "rigl, every=100, scope=erk"
    assert [spelled(text) for text in ("dense", "a [1]", "a {", "")] == ["dense", "a [1]", "a {", ""]
    assert [family(text) for text in ('rigl {"every":100}', "dense", "")] == ["rigl", "dense", "–"]


@given(st.text(max_size=300))
def test_names_from_outside_are_one_line_and_no_path(text):
    """Whatever a name holds: printable, short; a file name cannot leave its folder."""
    assert clean(text).isprintable()
    assert len(clean(text)) <= 120
    name = file_name(text, "x")
    assert not set(name) & set("/\\.\0:")
    assert len(name) < 80
