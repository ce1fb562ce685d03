"""Calibration of boards: the counts are those of the functions that boards use, worked out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ticketbench.results.calibration.boards import (
    FAMILY,
    FLIPS,
    MODERATED,
    PLAIN,
    STANDARD,
    TESTS,
    Rates,
    calibrate,
    compared,
    found_by_test,
    moderated_test,
    plain_test,
    rates_of,
    told_by_test,
    truth,
)
from ticketbench.results.calibration.kinds import FAIR, UNLIKE, Recorded, residuals_of
from ticketbench.results.scatter import scatter_of
from ticketbench.results.standard import Sample, compare_all
from ticketbench.results.stats import holm

RECORDED = Recorded(rows=(residuals_of((0.9, 0.92, 0.91, 0.9, 0.95, 0.4)),), scales=(0.01, 0.02, 0.2))


@pytest.fixture(scope="module")
def boards():
    """Thirty boards of a mixture with some true differences, and their scatters."""
    drawn = FAIR[3].draw(np.random.default_rng(3), (30, FAMILY, 11), RECORDED) + truth()[:, None]
    return drawn, [scatter_of(board) for board in drawn]


def test_the_standard_is_what_a_board_says(boards):
    """Mark by mark, with the scatter of the board itself."""
    drawn, scatters = boards
    for values, found in zip(drawn, compared(drawn, scatters, 0.01), strict=True):
        samples = [Sample(tuple(row), tuple(range(11)), margin=0.01) for row in values.tolist()]
        assert found == compare_all(samples, scatter_of(values))


def test_the_standard_is_the_more_careful_of_the_two_tests_beside_it(boards):
    """Comparison by comparison; and the paired test is scipy's."""
    drawn, scatters = boards
    plain, moderated = plain_test(drawn, 0.05), moderated_test(drawn, scatters, 0.05)
    assert plain[0] == pytest.approx(scipy_stats.ttest_1samp(drawn, 0, axis=2).pvalue)
    for at, board in enumerate(compared(drawn, scatters, 0.05)):
        assert [one.p for one in board] == pytest.approx(np.maximum(plain[0], moderated[0])[at])
        assert [one.alike for one in board] == pytest.approx(holm(list(np.maximum(plain[1], moderated[1])[at])))


def test_what_is_found_is_counted_by_its_true_difference(boards):
    """The shares of five comparisons of each size a board, of those that a test tells apart in the right direction."""
    drawn, scatters = boards
    marks = np.array([[one.mark for one in board] for board in compared(drawn, scatters, 0.01)])
    found, same = found_by_test(drawn, scatters)
    expected = [(marks[:, at : at + 5] == "better").mean() for at in (5, 10, 15)]
    assert found[STANDARD] == pytest.approx(expected)
    assert 0 < expected[0] < expected[1] < expected[2]
    assert same[STANDARD] == pytest.approx((marks[:, :5] == "as good").mean())
    told = told_by_test(drawn, compared(drawn, scatters, 0.0), scatters)
    assert set(told) == set(TESTS)
    assert (told[STANDARD] <= told[PLAIN]).all()
    assert (told[STANDARD] <= told[MODERATED]).all()
    assert told[FLIPS].any(), "eleven seeds can speak among twenty comparisons"


def test_rates_are_reproducible_and_tell_alike_from_unlike_sides():
    """The same seed gives the same numbers; a test of a mean fails where one side alone collapses."""
    first = [*calibrate(RECORDED, 40, [FAIR[2], UNLIKE[0]], [8])]
    assert first == [*calibrate(RECORDED, 40, [FAIR[2], UNLIKE[0]], [8])]
    assert rates_of(FAIR[2], 8, 40, RECORDED, seed=1) != first[0]
    (alike, *_), (unlike, *_) = first
    assert (alike.test, alike.kind, unlike.kind) == (STANDARD, "collapsing", "one collapses")
    assert alike.holds
    assert not unlike.holds
    assert (unlike.found, unlike.same) == ((), None)
    assert next(one for one in first[0] if one.test == FLIPS).wrong is None


def test_what_holds():
    """5 % of a thousand boards, and what chance adds once in a thousand runs."""
    allowed = int(scipy_stats.binom.isf(1e-3, 1000, 0.05))
    assert 65 < allowed < 80
    assert Rates("x", 5, STANDARD, 1000, allowed, 0).holds
    assert not Rates("x", 5, STANDARD, 1000, 0, allowed + 1).holds
