"""Kinds of differences: their means are zero, and they scatter as they say."""

from __future__ import annotations

import numpy as np
import pytest

from ticketbench.results.calibration.kinds import FAIR, UNLIKE, Recorded, residuals_of

RECORDED = Recorded(
    rows=(residuals_of((0.9, 0.92, 0.91, 0.9, 0.95)), residuals_of((0.5, 0.1, 0.55, 0.52, 0.6, 0.58, 0.61, 0.5))),
    scales=(0.01, 0.1),
)


def drawn(kind, boards=4000):
    """Differences of many boards, each of four comparisons with six seeds."""
    return kind.draw(np.random.default_rng(5), (boards, 4, 6), RECORDED)


@pytest.mark.parametrize("kind", [*FAIR, *UNLIKE], ids=lambda kind: kind.name)
def test_the_mean_of_every_kind_is_zero(kind):
    """Within four standard errors over boards."""
    found = drawn(kind)
    assert found.shape == (4000, 4, 6)
    means = found.mean(axis=(1, 2))
    assert abs(means.mean()) < 4 * means.std() / np.sqrt(len(means))


@pytest.mark.parametrize("kind", FAIR, ids=lambda kind: kind.name)
def test_fair_kinds_are_as_likely_with_either_sign(kind):
    """Their quantiles are mirrored; those of the others are not."""
    found = drawn(kind)
    low, high = np.quantile(found, [0.1, 0.9])
    assert -low == pytest.approx(high, rel=0.1)


def test_residuals_are_as_wide_as_the_rows_scatter():
    """Their mean square is the variance with n − 1; a row beside itself has twice that, and one of two scales."""
    rows = [np.array(row) for row in RECORDED.rows]
    assert np.mean(rows[0] ** 2) == pytest.approx(np.var((0.9, 0.92, 0.91, 0.9, 0.95), ddof=1))
    resampled = drawn(FAIR[1])
    expected = np.mean([2 * np.mean(row**2) for row in rows])
    assert resampled.var() == pytest.approx(expected, rel=0.1)
    both = {round(float(one - other), 9) for row in rows for one in row for other in row}
    assert {round(float(value), 9) for value in resampled[:50].ravel()} <= both
    gaussian = drawn(FAIR[0])
    assert gaussian.var() == pytest.approx((0.01**2 + 0.1**2) / 2, rel=0.1)
    assert set(np.round(drawn(UNLIKE[1])[:50].ravel(), 9)) <= {
        round(value, 9) for row in RECORDED.rows for value in row
    }


def test_one_collapse_in_some_seeds_alone():
    """Where one side collapses, more than half of the seeds are a little above zero, and the others far below."""
    found = drawn(UNLIKE[0])
    assert (found > 0).mean() > 0.6
    assert found.min() < -0.5
    assert found.max() < 0.45, "the mean fall and a little noise"
