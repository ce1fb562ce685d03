"""Thresholds: how far down a row is as good as dense, by hand, by simulation, and on networks that were pruned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from places import ROOT

from ticketbench.board.bundle.opening import open_records
from ticketbench.plan.plan import find_suite
from ticketbench.render.thresholds import threshold_text, threshold_words
from ticketbench.results.beside_dense import row_thresholds
from ticketbench.results.results import gather_results
from ticketbench.results.scatter import UNKNOWN, Scatter
from ticketbench.results.standard import Sample
from ticketbench.results.threshold import END_LEVEL, margin_tests, run_length, scatters_of, thresholds_of

SEEDS = tuple(range(5))
AROUND = (-0.01, -0.005, 0.0, 0.005, 0.01)
"""Standard deviation 0.0079, standard error of five 0.00354; at 2.5 % on one side t is 2.776, or 0.0098."""


def around(*means: float, margin: float = 0.02, **facts) -> dict[float, Sample]:
    """Halving densities from 0.5 on, with differences around these means."""
    return {
        0.5**at: Sample(tuple(mean + one for one in AROUND), SEEDS, margin=margin, **facts)
        for at, mean in enumerate(means, 1)
    }


def found(samples):
    """The threshold without anything known of a common scatter."""
    return thresholds_of([samples], {})[0]


def test_p_on_both_sides_of_the_margin_is_that_of_a_t_test():
    """Mean −0.01, margin 0.02: t = 0.01 / 0.003536 = 2.8284 with 4 degrees of freedom, p 0.0237 and its complement.

    A common variance of 0.0009, worth as much, makes the variance 0.00048125 and t 1.0193 with 8, p 0.169.
    """
    values = np.array([AROUND]) - 0.01
    kept, lost = margin_tests(values, np.array([0.02]), UNKNOWN)
    assert (kept[0], lost[0]) == pytest.approx((0.02371, 0.97629), abs=1e-5)
    kept, lost = margin_tests(values, np.array([0.02]), Scatter(0.0009, 4))
    assert kept[0] == pytest.approx(0.16894, abs=1e-5)
    assert lost[0] == pytest.approx(0.97629, abs=1e-5)


@pytest.mark.parametrize(
    ("means", "expected", "text", "words"),
    [
        # shown down to 25 %, seen down to 12.5 %, lost from 6.25 % on
        (
            (0.0, -0.01, -0.015, -0.05),
            (0.125, 0.125, 0.25),
            "12 % [12 %, 25 %]",
            "as good down to 25 %; worse from 6.2",
        ),
        # what holds again below a gap does not count, and what is lost above something open does not either
        ((0.0, -0.05, 0.0, -0.05), (0.5, 0.125, 0.5), "50 % [12 %, 50 %]", "as good down to 50 %; worse from 6.2 % on"),
        ((0.0, 0.0), (0.25, 0.25, 0.25), "25 % [≤ 25 %, 25 %]", "as good at every density computed, down to 25 %"),
        ((-0.05, -0.06), (1.0, 1.0, 1.0), "100 % [100 %, 100 %]", "worse at every density computed, from 50 % on"),
        (
            (-0.015, -0.025),
            (0.5, 0.25, 1.0),
            "50 % [≤ 25 %, 100 %]",
            "nowhere shown to be as good; nowhere shown to be",
        ),
    ],
)
def test_estimate_and_ends_by_hand(means, expected, text, words):
    """Shown as good at a mean of −0.0102 or higher, shown as worse at −0.0298 or lower."""
    one = found(around(*means))
    assert (one.estimate, one.low, one.high) == expected
    assert threshold_text(one) == text
    assert threshold_words(one).startswith(words)
    assert (one.margin, one.seeds) == (0.02, 5)


def test_lower_may_be_better_and_few_seeds_say_nothing():
    """A loss that grows is a row that gets worse; four seeds at a density end a walk, and alone walk nowhere."""
    up = {
        density: Sample(tuple(-v for v in one.differences), SEEDS, False, 0.02)
        for density, one in around(0.0, -0.05).items()
    }
    assert (found(up).estimate, found(up).worse_from) == (0.5, 0.25)
    assert found(around(0.0, -0.05, margin=0.0)) is None
    assert found({1.0: around(0.0)[0.5]}) is None
    short = around(0.0, 0.0, 0.0)
    short[0.25] = Sample(AROUND[:4], SEEDS[:4], margin=0.02)
    assert (found(short).high, found(short).estimate, found(short).open_below, found(short).seeds) == (
        0.5,
        0.125,
        True,
        4,
    )
    assert found({0.25: short[0.25]}) is None


def test_each_density_has_a_scatter_of_its_own():
    """What scatters widely among the sparsest tickets does not blur the densest.

    Three variances of 6.25e-5 with four degrees of freedom: times exp(log 2 − ψ(2)) = 1.3104, what a logarithm is off.
    """
    rows = [around(0.0, 0.0) | {0.01: Sample(tuple(40 * one for one in AROUND), SEEDS, margin=0.02)} for _ in range(3)]
    scatters = scatters_of(rows)
    assert scatters["0.5"].variance == pytest.approx(6.25e-5 * 1.3104, rel=1e-4)
    assert scatters["0.01"].variance == pytest.approx(0.1 * 1.3104, rel=1e-4)
    assert {one.high for one in thresholds_of(rows, scatters)} == {0.25}


def test_the_interval_holds_the_threshold_in_95_of_100():
    """4,000 rows of ten seeds that decay through the margin, smoothly or just at it: at least 95 % are covered."""
    draws, margin = np.random.default_rng(0), 0.01
    for means, truth in (
        (-0.05 * np.linspace(0, 1, 12) ** 2, 5),  # the sixth, −0.0103, is the first beyond the margin
        (np.array([0.0, 0.0, -0.00999, -0.01001, -0.03, -0.06]), 3),  # the hardest: a step across it
    ):
        levels = len(means)
        dense = draws.normal(0, 0.005, (4000, 1, 10))
        values = means[:, None] + draws.normal(0, 0.008, (4000, levels, 10)) - dense
        kept, lost = (
            p.reshape(4000, levels) <= END_LEVEL
            for p in margin_tests(values.reshape(-1, 10), np.full(4000 * levels, margin), UNKNOWN)
        )
        high, low = run_length(kept), levels - run_length(lost[:, ::-1])
        covered = np.mean((high <= truth) & (truth <= low))
        assert covered >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 4000)
        assert np.mean(high < low) > 0.5  # the ends are not the same by construction


def test_committed_records_and_their_curves_agree(plugins):
    """Tickets of a small network on digits: each threshold lies where its own curve of means falls below the margin."""
    store = open_records(str(ROOT / "leaderboards/lth/small/submissions/ticketbench"))
    results = gather_results(store, find_suite("lth", plugins), "small", plugins)
    thresholds = row_thresholds(results)
    by_row = {(dict(one.axes)["row"], dict(one.axes)["model"].split()[0]): one for one in thresholds}
    imp, shuffled = by_row["imp", "mlp"], by_row["reshuffled", "mlp"]
    assert (imp.than, by_row["one_shot", "mlp"].than) == ("", "dense")
    assert len(imp.found.levels) == 18
    assert imp.found.high < shuffled.found.low  # tickets win where shuffled masks have lost
    for one in thresholds:
        held = one.found
        assert held.low <= held.estimate <= held.high
        means = {level.density: level.interval.mean for level in held.levels}
        assert all(mean >= -held.margin for density, mean in means.items() if density >= held.estimate)
        assert held.worse_from is None or all(
            mean < -held.margin for density, mean in means.items() if density <= held.worse_from
        )
