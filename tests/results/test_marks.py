"""Marks: tests by hand and by scipy, ranges of ranks, and boards simulated without any difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ticketbench.results.scatter import Scatter
from ticketbench.results.standard import (
    RankRange,
    Sample,
    compare_all,
    rank_ranges,
    seeds_to_decide,
    within_bounds,
)
from ticketbench.results.stats import Interval

UP = (0.1, 0.1, 0.2, 0.2, 0.1, 0.1)


def sample(*differences, **facts):
    """Differences of the seeds 0, 1, 2 and so on."""
    return Sample(tuple(differences), tuple(range(len(differences))), **facts)


def test_alone_it_is_the_paired_t_test():
    """scipy's p and interval; with nothing known of others there is no other test."""
    (found,) = compare_all([sample(*UP)])
    expected = stats.ttest_1samp(UP, 0.0)
    assert (found.p, found.corrected) == (pytest.approx(expected.pvalue), pytest.approx(expected.pvalue))
    interval = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert (found.mark, found.flips, found.note) == ("better", 2 / 64, "")


def test_the_more_careful_of_two_tests_counts():
    """A scatter of ten times the variance, worth 20 degrees: (20·10s² + 5·s²)/25 = 8.2 s² at 25 degrees of freedom."""
    own = np.var(UP, ddof=1)
    (found,) = compare_all([sample(*UP)], Scatter(10 * own, 20.0))
    t = np.mean(UP) / math.sqrt(8.2 * own / 6)
    assert found.p == pytest.approx(2 * stats.t.sf(t, 25))
    assert found.interval.high - found.interval.mean == pytest.approx(stats.t.ppf(0.975, 25) * math.sqrt(8.2 * own / 6))
    (smaller,) = compare_all([sample(*UP)], Scatter(own / 100, 20.0))
    assert smaller.p == pytest.approx(stats.ttest_1samp(UP, 0.0).pvalue)
    (common,) = compare_all([sample(*UP)], Scatter(10 * own, math.inf))
    assert common.p == pytest.approx(2 * stats.norm.sf(np.mean(UP) / math.sqrt(10 * own / 6)), rel=1e-6)


def test_as_good_is_shown_by_two_one_sided_tests():
    """scipy's one-sided tests against both ends of the margin; the larger p counts, and wins over a difference."""
    values = (0.004, 0.006, 0.005, 0.004, 0.006, 0.005)
    (found,) = compare_all([sample(*values, margin=0.01)])
    above = stats.ttest_1samp(values, -0.01, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.01, alternative="less").pvalue
    assert found.alike == pytest.approx(max(above, below))
    assert found.p < 0.001
    assert found.mark == "as good"
    (wider,) = compare_all([sample(*values, margin=0.0051)])
    assert (wider.mark, wider.alike > 0.05) == ("better", True)
    (none,) = compare_all([sample(*values)])
    assert (none.mark, none.alike) == ("better", 1.0)


def test_a_family_is_corrected_together():
    """Holm: the smaller p twice, the larger once but no less; and so it is for alike."""
    two = [sample(*UP), sample(*(2 * value for value in UP)), sample(0.3, -0.2, 0.1, 0.4, -0.3, 0.2)]
    alone = [compare_all([one])[0].p for one in two]
    found = compare_all(two)
    assert found[0].corrected == pytest.approx(3 * alone[0])
    assert found[1].corrected == found[0].corrected
    assert found[2].corrected == pytest.approx(alone[2])


def test_fewer_than_five_seeds_decide_nothing():
    """However large the difference; the note says how many it takes."""
    (found,) = compare_all([sample(1.0, 1.01, 0.99, 1.0)])
    assert (found.mark, found.note) == ("cannot tell", "4 seeds; it takes 5")
    (one,) = compare_all([sample(1.0, most=1.0)])
    assert (one.mark, one.p, one.interval) == ("cannot tell", 1.0, Interval(1.0, -1.0, 1.0))


def test_lower_is_better_where_the_metric_says_so():
    """The same difference, marked the other way; mirrored it is the other side's."""
    (found,) = compare_all([sample(*UP, higher_is_better=False)])
    assert found.mark == "worse"
    back = found.mirrored()
    assert (back.mark, back.interval.mean, back.interval.low) == (
        "better",
        -found.interval.mean,
        -found.interval.high,
    )
    assert back.mirrored() == found


def test_that_exact_flips_disagree_is_said():
    """One seed far away: t shows nothing, and that all six are above zero does."""
    (found,) = compare_all([sample(0.01, 0.01, 0.01, 0.01, 0.02, 0.9)])
    assert found.mark == "cannot tell"
    assert found.note == "exact sign flips show a difference (p 0.031)"


def test_equal_differences_are_no_certainty():
    """Without scatter p is that of exact flips; no difference at all is as good."""
    five, six, none = (
        compare_all([sample(*[0.25] * 5)])
        + compare_all([sample(*[0.25] * 6)])
        + compare_all([sample(*[0.0] * 5, margin=0.01)])
    )
    assert (five.p, five.mark) == (2 / 32, "cannot tell")
    assert (six.p, six.mark) == (2 / 64, "better")
    assert (none.p, none.mark) == (1.0, "as good")


def test_intervals_stay_inside_their_bounds():
    """Of a difference of shares -1 to 1; of a share 0 to 1; a mean outside of them, as a bound that is wrong, stays."""
    (found,) = compare_all([sample(0.9, 0.1, 0.95, 0.9, 0.99, most=1.0)])
    assert found.interval.high == 1.0
    assert within_bounds(Interval(0.98, 0.9, 1.06), (0.0, 1.0)) == Interval(0.98, 0.9, 1.0)
    assert within_bounds(Interval(0.98, 0.9, 1.06), None).high == 1.06
    assert within_bounds(Interval(1.5, 1.4, 1.6), (0.0, 1.0)) == Interval(1.5, 1.4, 1.5)


def test_how_many_seeds_would_decide():
    """A mean of 1 with a deviation of 2 at 5 %: by the usual formula for a power of 80 %, 34 seeds; two for nothing."""
    scatter = np.random.default_rng(0).normal(0, 1, 8)
    scatter = (scatter - scatter.mean()) / scatter.std(ddof=1)
    (found,) = compare_all([sample(*(1 + 2 * scatter))])
    assert seeds_to_decide(found, Scatter(), 1) == pytest.approx(34, abs=1)
    (flat,) = compare_all([sample(*(0.0 + 2 * scatter))])
    assert seeds_to_decide(flat, Scatter(), 1) is None
    (alike,) = compare_all([sample(*(0.0 + 2 * scatter), margin=1.0)])
    assert 20 < (seeds_to_decide(alike, Scatter(), 1) or 0) < 34


def test_ranks_are_ranges_that_sides_share():
    """With nine seeds: two that are alike at the top, one clearly behind them, one clearly last."""
    scatter = [0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 0.15, -0.15, 0.0]
    values = [
        [10 + s for s in scatter],
        [10 - s for s in scatter],
        [5 + s / 2 for s in scatter],
        [1.0 - s for s in scatter],
    ]
    ranges = [RankRange(1, 2), RankRange(1, 2), RankRange(3, 3), RankRange(4, 4)]
    assert rank_ranges(values) == ranges
    assert rank_ranges(values, higher_is_better=False)[3] == RankRange(1, 1)
    assert rank_ranges([each[:3] for each in values]) == [RankRange(1, 4)] * 4
    with pytest.raises(ValueError, match="cannot be ranked together"):
        rank_ranges([[1.0, 2.0], [1.0]])


def test_rows_without_differences_are_ranked_apart_on_one_board_in_twenty_at_most(record_property):
    """500 boards of four methods and ten seeds; seeds differ, methods do not: all that is told is false."""
    draws = np.random.default_rng(7)
    false = 0
    for _ in range(500):
        values = draws.normal(0, 3, 10) + draws.normal(0, 1, (4, 10))
        false += any(one != RankRange(1, 4) for one in rank_ranges(values))
    record_property("false", false)
    assert 3 <= false <= 25  # not so careful that nothing is ever told
