"""Scaling: points in the plane that lie as far apart as given distances say, as nearly as the plane allows.

Metric multidimensional scaling: of all points x it looks for those of the least stress Σ_{i<j} (‖x_i − x_j‖ − δ_ij)²
(Kruskal 1964), by the steps x ← B(x)·x / n that never raise it (de Leeuw 1977), from Torgerson's classical solution of
1952, which is exact where the distances are those of a plane, and from a few other starts, as stress has many minima.
The same distances give the same points: along their main directions, the farthest coordinate of each positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STARTS = 8
"""Other starts than the classical one."""
MOST_STEPS = 5000
EXACT = 1e-7
"""A stress that is rounding alone."""
ENOUGH = 1e-12
"""A step that lowers the stress by less than this part of Σ δ² is the last."""


def in_the_plane(distances: Array) -> Array:
    """The points (n, 2) of the least stress that was found, for symmetric distances (n, n)."""
    first = classical(distances)
    if stress(distances, first) < EXACT:
        return laid_flat(first)
    source = np.random.default_rng(0)
    others = [first + distances.mean() * source.standard_normal(first.shape) for _ in range(STARTS)]
    return laid_flat(min((lowered(distances, start) for start in (first, *others)), key=lambda x: stress(distances, x)))


def classical(distances: Array) -> Array:
    """The two main directions of −½·J·δ²·J, with J = 1 − 1/n."""
    squares = distances**2
    inner = -0.5 * (squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean())
    values, vectors = np.linalg.eigh(inner)
    found = vectors[:, ::-1][:, :2] * np.sqrt(np.clip(values[::-1][:2], 0, None))
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def lowered(distances: Array, points: Array) -> Array:
    """Points moved until the stress falls no more."""
    total = max(float((distances**2).sum()), np.finfo(float).tiny)
    known = raw_stress(distances, points)
    for _ in range(MOST_STEPS):
        apart = between(points)
        pull = np.divide(distances, apart, out=np.zeros_like(apart), where=apart > 0)
        points = (pull.sum(1)[:, None] * points - pull @ points) / len(points)
        found = raw_stress(distances, points)
        if known - found < ENOUGH * total:
            break
        known = found
    return points


def between(points: Array) -> Array:
    """The distances between any two points, as a matrix."""
    found: Array = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return found


def raw_stress(distances: Array, points: Array) -> float:
    """Σ (‖x_i − x_j‖ − δ_ij)² over ordered pairs."""
    return float(((between(points) - distances) ** 2).sum())


def stress(distances: Array, points: Array) -> float:
    """√(Σ (‖x_i − x_j‖ − δ_ij)² / Σ δ_ij²): 0 where every distance is drawn as it is."""
    total = float((distances**2).sum())
    return (raw_stress(distances, points) / total) ** 0.5 if total else 0.0


def laid_flat(points: Array) -> Array:
    """Centred, turned to the main directions, and mirrored so that the farthest coordinate of each is positive."""
    centred = points - points.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=True)
    turned = centred @ directions[:2].T
    signs: Array = np.where(turned[np.abs(turned).argmax(0), range(2)] < 0, -1.0, 1.0)
    mirrored: Array = turned * signs
    return mirrored
