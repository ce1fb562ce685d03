"""The colours of charts: seen on both grounds, and told apart by every eye."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ticketbench.render.style import COLOURS

GROUNDS = ("#ffffff", "#14171b")
SEEN_BY = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""What eyes that lack a colour make of linear light: Machado, Oliveira and Fernandes 2009, at full severity."""
TO_CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.2119035, 0.68069955, 0.10739696],
    [0.08830246, 0.28171884, 0.62997870],
]
TO_LAB = [
    [0.21045426, 0.79361778, -0.00407205],
    [1.9779985, -2.42859221, 0.45059371],
    [0.0259040, 0.78277177, -0.80867577],
]
"""Björn Ottosson's Oklab: distances in it are about as large as they look."""


def light(colour: str) -> np.ndarray:
    """A colour as linear light."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def seen(colour: str, eye: str) -> np.ndarray:
    """How a colour looks to an eye."""
    cones = np.array(TO_CONES) @ np.clip(np.array(SEEN_BY[eye]) @ light(colour), 0, 1)
    return np.array(TO_LAB) @ np.cbrt(np.clip(cones, 0, None))


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_colour_stands_out_from_its_ground(ground):
    """At least three to one, as WCAG asks of parts of a picture."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    for colour in COLOURS:
        low, high = sorted(weights @ light(one) + 0.05 for one in (colour, ground))
        assert high / low >= 3.0, colour


@pytest.mark.parametrize("eye", SEEN_BY)
def test_no_two_colours_look_alike(eye):
    """Eight of them; 0.02 is a difference that is just seen."""
    assert len(set(COLOURS)) == 8
    assert min(np.linalg.norm(seen(a, eye) - seen(b, eye)) for a, b in itertools.combinations(COLOURS, 2)) > 0.07
