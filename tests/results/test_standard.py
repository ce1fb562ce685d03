"""The standard against scipy's t-tests, numbers worked out by hand, and what must hold of every family."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ticketbench.results.scatter import UNKNOWN, Scatter, scatter_of
from ticketbench.results.standard import MIRRORED, Sample, compare_all
from ticketbench.results.stats import smallest_p

GAINS = (0.021, 0.034, 0.018, 0.029, 0.041, 0.025, 0.031, 0.012)


def sample(*differences, **facts):
    """A sample of seeds 0, 1, …"""
    return Sample(differences, tuple(range(len(differences))), **facts)


def test_without_a_common_scatter_it_is_scipys_paired_t_test_and_two_one_sided_ones():
    """p, interval and equivalence of one comparison."""
    left = [0.9, 0.85, 0.88, 0.91, 0.87, 0.93]
    right = [0.88, 0.86, 0.84, 0.9, 0.88, 0.9]
    (found,) = compare_all([sample(*(a - b for a, b in zip(left, right, strict=True)), margin=0.04)])
    expected = scipy_stats.ttest_rel(left, right)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    below = scipy_stats.ttest_1samp(found.differences, 0.04, alternative="less").pvalue
    above = scipy_stats.ttest_1samp(found.differences, -0.04, alternative="greater").pvalue
    assert found.alike == pytest.approx(max(below, above))
    assert (found.p > 0.05, found.alike < 0.05, found.mark) == (True, True, "as good")


def test_with_a_common_scatter_the_more_careful_test_counts():
    """d = 7, s² = 8.1e-5, s₀² = 1e-3 worth d₀ = 5: (5·1e-3 + 7·8.1e-5) / 12 and 12 degrees of freedom."""
    mean = sum(GAINS) / 8
    own = sum((value - mean) ** 2 for value in GAINS) / 7
    (found,) = compare_all([sample(*GAINS, margin=0.06)], Scatter(1e-3, 5.0))
    error = math.sqrt((5 * 1e-3 + 7 * own) / 12 / 8)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(mean / error, 12))
    assert found.alike == pytest.approx(scipy_stats.t.sf((0.06 - mean) / error, 12))
    assert found.interval.high - mean == pytest.approx(scipy_stats.t.ppf(0.975, 12) * error)
    (calm,) = compare_all([sample(*GAINS, margin=0.06)], Scatter(1e-6, 5.0))
    assert calm.p == pytest.approx(scipy_stats.ttest_1samp(GAINS, 0).pvalue)


def test_holms_correction_by_hand():
    """Three comparisons: the smallest p three times, the next twice or what came before, and equivalence alike."""
    family = [sample(*GAINS, margin=0.1), sample(*(value - 0.012 for value in GAINS)), sample(*(GAINS[:-1]), -0.2)]
    alone = [compare_all([one])[0] for one in family]
    assert alone[0].p < alone[1].p < alone[2].p
    together = compare_all(family)
    expected = [3 * alone[0].p, 2 * alone[1].p, max(2 * alone[1].p, alone[2].p)]
    assert [one.corrected for one in together] == pytest.approx(expected)
    assert [one.alike for one in together] == pytest.approx([3 * alone[0].alike, 1.0, 1.0])
    assert [one.mark for one in together] == ["as good", "better", "cannot tell"]
    assert [one.p for one in together] == [one.p for one in alone]


def test_direction_seeds_and_sameness():
    """Lower may be better; four seeds decide nothing; what only rounding tells apart has no scatter of its own."""
    lower = compare_all([sample(*GAINS, higher_is_better=False)])[0]
    assert (lower.mark, lower.mirrored().mark, lower.mirrored().interval.mean) == (
        "worse",
        "better",
        -lower.interval.mean,
    )
    few = compare_all([sample(0.5, 0.5001, 0.5002, 0.4999)])[0]
    assert (few.mark, few.note) == ("cannot tell", "4 seeds; it takes 5")
    tenths = compare_all([sample(0.7 - 0.6, 0.5 - 0.4, 0.9 - 0.8, 0.3 - 0.2, 0.4 - 0.3)])[0]
    assert (tenths.p, tenths.mark) == (smallest_p(5), "cannot tell")
    alike = compare_all([sample(*[0.0] * 5, margin=0.01)])[0]
    assert (alike.p, alike.mark) == (1.0, "as good")


NUMBERS = st.integers(-40, 40).map(lambda number: number / 64)
SAMPLES = st.builds(
    lambda values, higher, margin: sample(*values, higher_is_better=higher, margin=margin),
    st.lists(NUMBERS, min_size=2, max_size=9),
    st.booleans(),
    st.sampled_from([0.0, 0.125, 0.5]),
)
FAMILIES = st.lists(SAMPLES, min_size=1, max_size=8)


@settings(max_examples=40)
@given(FAMILIES)
def test_mirrored_sides_have_mirrored_marks(family):
    """Also where the common scatter comes from the family."""
    other = [replace(one, differences=tuple(-value for value in one.differences)) for one in family]
    found, seen = (compare_all(side, scatter_of(one.differences for one in side)) for side in (family, other))
    assert [MIRRORED.get(one.mark, one.mark) for one in found] == [one.mark for one in seen]
    assert [one.mirrored() for one in found] == seen


@settings(max_examples=40)
@given(FAMILIES, SAMPLES, st.sampled_from([UNKNOWN, Scatter(0.01, 4.0), Scatter(0.2, math.inf)]))
def test_one_more_comparison_makes_no_other_more_certain(family, another, scatter):
    """Neither of a difference nor that there is none."""
    before, after = compare_all(family, scatter), compare_all([*family, another], scatter)
    for one, then in zip(before, after, strict=False):
        assert then.corrected >= one.corrected
        assert then.alike >= one.alike


@settings(max_examples=40)
@given(FAMILIES, st.sampled_from([2.0**-9, 0.5, 1024.0]))
def test_the_unit_does_not_matter(family, unit):
    """All differences and margins in another unit have the same marks."""
    other = [
        replace(one, differences=tuple(unit * value for value in one.differences), margin=unit * one.margin)
        for one in family
    ]
    found, seen = (compare_all(side, scatter_of(one.differences for one in side)) for side in (family, other))
    assert [one.mark for one in found] == [one.mark for one in seen]
    assert [one.corrected for one in seen] == pytest.approx([one.corrected for one in found])
