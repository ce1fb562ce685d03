"""Points of the plane from distances: exact where a plane has them, and as near as may be where none has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from ticketbench.report.scaling import classical, in_the_plane, lowered, raw_stress, stress


def apart(points: np.ndarray) -> np.ndarray:
    """Distances, pair by pair."""
    return np.array([[math.dist(one, other) for other in points] for one in points])


def test_a_plane_is_recovered():
    """Twelve points: every distance to 1e-6, whatever turn and mirror."""
    points = np.random.default_rng(3).normal(size=(12, 2)) * [5.0, 2.0] + 40
    found = in_the_plane(apart(points))
    assert np.abs(apart(found) - apart(points)).max() < 1e-6
    assert stress(apart(points), found) < 1e-7
    assert np.abs(found.mean(0)).max() < 1e-9


def test_the_same_picture_for_turned_and_mirrored_points():
    """Main direction to the right, the farthest coordinates positive."""
    points = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0], [-5.0, 0.5]])
    turn = np.array([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    first = in_the_plane(apart(points))
    for other in (points @ turn.T, points * [1.0, -1.0] @ turn.T):
        assert np.allclose(first, in_the_plane(apart(other)), atol=1e-6)
    assert np.ptp(first[:, 0]) > np.ptp(first[:, 1])
    for values in first.T:
        assert values.max() >= -values.min()


def test_a_triangle_by_hand():
    """Sides 3, 4 and 5."""
    sides = np.array([[0.0, 3.0, 5.0], [3.0, 0.0, 4.0], [5.0, 4.0, 0.0]])
    assert np.allclose(apart(in_the_plane(sides)), sides, atol=1e-7)


def test_points_of_a_line_and_points_that_coincide():
    """One direction is empty; copies of a point stay together; no distance at all is no point's trouble."""
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [7.0, 0.0]])
    found = in_the_plane(apart(line))
    assert np.allclose(apart(found), apart(line), atol=1e-6)
    assert np.abs(found[:, 1]).max() < 1e-6
    assert in_the_plane(np.zeros((3, 3))).tolist() == [[0.0, 0.0]] * 3
    assert np.allclose(apart(in_the_plane(np.array([[0.0, 2.0], [2.0, 0.0]]))), [[0.0, 2.0], [2.0, 0.0]])


def test_distances_that_no_space_has_are_drawn_as_near_as_may_be():
    """A detour is shorter than the way: 1 and 1 beside 10."""
    sides = np.array([[0.0, 1.0, 10.0], [1.0, 0.0, 1.0], [10.0, 1.0, 0.0]])
    found = in_the_plane(sides)
    assert np.isfinite(found).all()
    # on a line with a, a and 2a: 2(a − 1)² + (2a − 10)² is least at a = 11/3
    assert apart(found)[0, 1] == pytest.approx(11 / 3, abs=1e-4)
    assert apart(found)[0, 2] == pytest.approx(22 / 3, abs=1e-4)
    assert stress(sides, found) == pytest.approx(math.sqrt((2 * (8 / 3) ** 2 + (8 / 3) ** 2) / 102), abs=1e-6)


def test_no_start_of_another_optimizer_finds_less_stress():
    """Five points that are all 1 apart, and seven of a ten-dimensional space, against BFGS from eight starts."""
    source = np.random.default_rng(0)
    for sides in (1 - np.eye(5), apart(source.normal(size=(7, 10)))):
        count = len(sides)

        def cost(flat: np.ndarray, sides: np.ndarray = sides, count: int = count) -> float:
            return raw_stress(sides, flat.reshape(count, 2))

        best = min(minimize(cost, source.normal(size=2 * count)).fun for _ in range(8))
        assert raw_stress(sides, in_the_plane(sides)) <= best * (1 + 1e-4)


def test_every_step_lowers_the_stress():
    """From the classical solution, which minimizes something else."""
    sides = apart(np.random.default_rng(5).normal(size=(8, 20)))
    start = classical(sides)
    assert raw_stress(sides, lowered(sides, start)) < 0.9 * raw_stress(sides, start)


def test_stress_by_hand():
    """Two of three distances are 1 too long: √(2 / (1 + 1 + 4))."""
    sides = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
    drawn = np.array([[0.0, 0.0], [1.0, 0.0], [-2.0, 0.0]])  # 1, 2 and 3
    assert stress(sides, drawn) == pytest.approx(math.sqrt((0 + 1 + 1) / 6))
    assert stress(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0
