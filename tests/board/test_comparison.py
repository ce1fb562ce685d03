"""Paired comparisons: hand-computed differences, what cannot be compared, and boards where nothing differs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from board_records import cell, row, submission
from scipy import stats

from ticketbench.board.comparison import compare_lines, power_of
from ticketbench.board.settings import Settings
from ticketbench.board.table import tables_of

UP = [0.5, 0.6, 0.7, 0.8, 0.9, 0.7]
DOWN = [0.4, 0.5, 0.5, 0.6, 0.8, 0.6]


def test_a_difference_is_paired_by_seed(tmp_path):
    """Six seeds, every one higher, by 0.133 ± 0.054: p is scipy's, the exact one 2/2⁶, and A is better."""
    (pair,) = compare_lines(
        submission(tmp_path / "a", row("x", 0.1, UP)), submission(tmp_path / "b", row("x", 0.1, DOWN))
    )
    assert pair.found is not None
    assert pair.found.differences == pytest.approx((0.1, 0.1, 0.2, 0.2, 0.1, 0.1))
    assert pair.found.interval.mean == pytest.approx(0.8 / 6)
    assert pair.found.interval.high == pytest.approx(0.8 / 6 + 2.570582 * 0.0516398 / 6**0.5, rel=1e-5)
    assert pair.found.p == pytest.approx(stats.ttest_rel(UP, DOWN).pvalue)
    assert (pair.found.corrected, pair.found.flips, pair.mark) == (pair.found.p, 2 / 64, "better")
    assert pair.seeds_needed is None
    (back,) = compare_lines(
        submission(tmp_path / "c", row("x", 0.1, DOWN)), submission(tmp_path / "d", row("x", 0.1, UP))
    )
    assert back.mark == "worse"


def test_all_places_are_corrected_together(tmp_path):
    """The same difference at two densities: each p is doubled, and exact flips cannot speak any more."""
    left = submission(tmp_path / "a", row("x", 0.1, UP), row("x", 0.2, UP))
    right = submission(tmp_path / "b", row("x", 0.1, DOWN), row("x", 0.2, DOWN))
    found = compare_lines(left, right)
    assert [pair.found.corrected for pair in found] == pytest.approx([2 * stats.ttest_rel(UP, DOWN).pvalue] * 2)
    assert [pair.found.flips for pair in found] == [None] * 2


def test_too_few_seeds_are_told_so(tmp_path):
    """Four common seeds decide nothing, however large the difference; what is open says what it would take."""
    few = compare_lines(
        submission(tmp_path / "c", row("x", 0.1, UP[:4])), submission(tmp_path / "d", row("x", 0.1, DOWN[:4]))
    )
    assert "4 common seeds, and nothing is decided with fewer than 5" in power_of(few)
    assert few[0].seeds_needed == 5
    six = compare_lines(submission(tmp_path / "e", row("x", 0.1, UP)), submission(tmp_path / "f", row("x", 0.1, DOWN)))
    assert power_of(six) == ""


def test_one_common_seed_or_none(tmp_path):
    """One seed has a difference without an interval and p = 1; without one the sides are not comparable."""
    left = submission(tmp_path / "a", row("x", 0.1, UP))
    one = submission(tmp_path / "b", [cell("x", 0.1, 3, 0.6)])
    (pair,) = compare_lines(left, one)
    assert pair.found is not None
    assert pair.found.differences == pytest.approx((0.2,))
    assert (pair.found.p, pair.mark) == (1, "cannot tell")
    assert pair.found.interval.high == math.inf
    assert pair.reason == "left out: seed 0, 1, 2, 4, 5, which one side lacks"
    (pair,) = compare_lines(left, submission(tmp_path / "c", [cell("x", 0.1, 9, 0.6)]))
    assert (pair.mark, pair.reason) == ("not comparable", "no common seed")


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [(None, "failed", "seed 2 failed"), (None, "diverged", "seed 2 diverged"), (float("nan"), "ok", "not a number")],
)
def test_a_seed_without_a_number_is_not_left_out(tmp_path, value, status, said):
    """The pair is not comparable, and the reason names the side and the seed."""
    broken = [*row("x", 0.1, UP[:2]), cell("x", 0.1, 2, value, status=status), *row("x", 0.1, UP)[3:]]
    (pair,) = compare_lines(submission(tmp_path / "a", broken), submission(tmp_path / "b", row("x", 0.1, DOWN)))
    assert (pair.mark, pair.found) == ("not comparable", None)
    assert said in pair.reason
    assert pair.reason.startswith("left ")


def test_a_seed_that_one_side_lacks_is_said(tmp_path):
    """Common seeds are compared; the note names the others."""
    (pair,) = compare_lines(
        submission(tmp_path / "a", row("x", 0.1, UP)), submission(tmp_path / "b", row("x", 0.1, DOWN[:5]))
    )
    assert pair.found is not None
    assert pair.found.seeds == (0, 1, 2, 3, 4)
    assert pair.reason == "left out: seed 5, which one side lacks"


@pytest.mark.parametrize(
    "change", [{"tier": "small"}, {"suite_version": 2}, {"precision": "tf32"}, {"device_class": "cuda"}]
)
def test_other_settings_are_not_comparable(tmp_path, change):
    """Another tier, version, precision or device: one line that says which."""
    left = submission(tmp_path / "a", row("x", 0.1, UP, **change))
    (pair,) = compare_lines(left, submission(tmp_path / "b", row("x", 0.1, DOWN)))
    assert pair.mark == "not comparable"
    assert str(next(iter(change.values()))) in pair.reason


def test_what_only_one_side_has_is_a_line(tmp_path):
    """Both ways round; nothing is dropped."""
    left = submission(tmp_path / "a", row("x", 0.1, UP), row("y", 0.1, UP))
    right = submission(tmp_path / "b", row("x", 0.1, DOWN), row("z", 0.3, DOWN))
    reasons = {(pair.left, pair.right): pair.reason for pair in compare_lines(left, right) if pair.found is None}
    assert reasons == {("y", ""): "only the left side has it", ("", "z"): "only the right side has it"}


def test_two_rows_of_one_store(tmp_path):
    """A row that is never pruned meets the other at each of its densities."""
    one = submission(tmp_path / "a", row("x", 0.1, DOWN), row("x", 0.2, DOWN), row("whole", 1.0, UP))
    found = compare_lines(one, one, ("x", "whole"))
    assert [(pair.density, pair.left, pair.right, pair.mark) for pair in found] == [
        (0.2, "x", "whole", "worse"),
        (0.1, "x", "whole", "worse"),
    ]
    assert found[0].found.differences == pytest.approx((-0.1, -0.1, -0.2, -0.2, -0.1, -0.1))


def test_boards_without_differences_mark_one_in_at_most_five_percent(tmp_path):
    """300 boards of three rows at two densities, against two rows, ten seeds: a mark is false, and rare."""
    draws, false = np.random.default_rng(3), 0
    names = ("whole", "chance", "x", "y")
    base = submission(
        tmp_path / "a",
        row("whole", 1.0, [0.5] * 10),
        *(row(name, density, [0.5] * 10) for name in names[1:] for density in (0.1, 0.2)),
    )
    for _ in range(300):
        shift = draws.normal(0, 2, 10)
        values = {}
        for one in base.cells:
            noise = draws.normal()
            values[one.key] = shift[one.seed] + noise
        cells = [replace(one, headline=float(values[one.key])) for one in base.cells]
        board = tables_of([type(base)(**{**vars(base), "cells": cells})], Settings(against=("whole", "chance")), None)
        marks = [found.mark for place in board[0].places for one in place.standings for found in one.against.values()]
        false += any(mark != "cannot tell" for mark in marks)
    print(f"a false mark on {false} of 300 boards")
    assert 1 <= false <= 15
