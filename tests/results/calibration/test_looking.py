"""Calibration of looks: every look sees the seeds there are, and the counts are those of the decisions."""

from __future__ import annotations

import numpy as np

from ticketbench.results.calibration.kinds import FAIR, Recorded, residuals_of
from ticketbench.results.calibration.looking import by_truth, calibrate_looks, decide_board, false_in, wrong_in
from ticketbench.results.looks import plan_of
from ticketbench.results.standard import Sample, compare_all

RECORDED = Recorded(rows=(residuals_of((0.9, 0.92, 0.91, 0.9, 0.95, 0.4)),), scales=(0.01, 0.02, 0.2))
PLAN = plan_of(5)


def noise(*scales):
    """Differences of so many comparisons and all of the plan's seeds."""
    source = np.random.default_rng(8)
    return np.array([scale * source.normal(size=PLAN[-1].seeds) for scale in scales])


def test_a_family_is_looked_at_until_it_is_decided():
    """One at once, one later, one never; each has the seeds that it had when it was decided."""
    values = noise(0.01, 0.01, 1.0) + np.array([1.0, 0.012, 0.0])[:, None]
    looks = list(decide_board(values, PLAN, 0.0))
    assert len(looks) == len(PLAN)
    assert [one.mark for one in looks[-1]] == ["better", "better", "cannot tell"]
    assert looks[-1][0].seeds == 5
    assert 5 < looks[-1][1].seeds < 20
    assert looks[-1][2].seeds == 20
    assert len(list(decide_board(values[:1], PLAN, 0.0))) == 1


def test_false_and_careless_marks():
    """A difference that 5 % would show and half of that would not; one that both show; one that none does."""
    base = noise(1.0)[0, :5]
    base -= base.mean()
    ps = {}
    for shift in np.linspace(0, 3, 400):
        (found,) = compare_all([sample_of(base + shift)])
        ps.setdefault("careless" if 0.025 < found.p <= 0.05 else "false" if found.p <= 0.025 else "none", base + shift)
    assert false_in(ps["careless"][None], PLAN[:1]) == (False, True)
    assert false_in(ps["false"][None], PLAN[:1]) == (True, True)
    assert false_in(ps["none"][None], PLAN[:1]) == (False, False)
    steady = np.stack([noise(1e-4), noise(1.0)])
    assert wrong_in(steady, PLAN, 0.01) == 1


def sample_of(values):
    """A sample of seeds 0, 1, …"""
    return Sample(tuple(values.tolist()), tuple(range(len(values))))


def test_rates_by_true_difference():
    """Larger differences are decided more often and with fewer seeds; at the end no less than at first."""
    assert by_truth([list(range(20))]) == (2.0, 7.0, 12.0, 17.0)
    (found,) = calibrate_looks(RECORDED, 12, [FAIR[0]], [5])
    assert found.plan == PLAN
    assert found.holds
    assert found.careless >= found.false
    assert found.decided[3] > found.decided[1]
    assert found.seeds[3] < found.seeds[1]
    assert all(end >= first for first, end in zip(found.at_first, found.decided, strict=True))
    assert all(5 <= count <= 20 for count in found.seeds)
