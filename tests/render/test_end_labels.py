"""Names at the ends of lines: near to them, none over another, within the picture."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.render.end_labels import GAP, LONGEST, brief, nudged, upright

PLACES = st.lists(st.floats(0, 320, allow_nan=False), min_size=1, max_size=8)


@given(PLACES)
def test_names_stand_apart_in_the_order_of_their_lines(wanted):
    """A gap between any two, all within the height, and none is moved that has room."""
    found = nudged(wanted, 320)
    ordered = [found[at] for at in sorted(range(len(wanted)), key=lambda at: (wanted[at], at))]
    assert all(below - above >= GAP - 1e-6 for above, below in itertools.pairwise(ordered))
    assert min(found) >= -1e-6
    assert max(found) <= 320 + 1e-6
    apart = all(b - a >= GAP for a, b in itertools.pairwise(sorted(wanted)))
    assert not apart or found == pytest.approx(wanted)


def test_names_that_would_touch_share_the_middle():
    """Three at one height go up and down alike; a block at the edge stays within; too many stand closer."""
    assert nudged([100, 100, 100], 320) == [100 - GAP, 100, 100 + GAP]
    assert nudged([0, 1, 200], 320) == [0, GAP, 200]
    assert nudged([320] * 5, 20) == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_an_axis_holds_its_values(logarithmic):
    """From value to pixel and back, with room at both ends; a share never leaves 0 to 1."""
    axis = upright([0.2, 0.9], 320, logarithmic)
    assert axis.low < 0.2 < 0.9 < axis.high
    assert axis.value(axis.pixel(0.4)) == pytest.approx(0.4)
    assert 0 < axis.pixel(0.9) < axis.pixel(0.2) < 320
    assert (upright([0, 1], 9, share=True).low, upright([0, 1], 9, share=True).high) == (0, 1)
    assert upright([3, 3], 9).low < 3


def test_long_names_are_cut_in_their_middle():
    """So that what tells them apart, which often stands last, stays."""
    assert brief("short") == "short"
    assert brief("a" * 30 + "z" * 30) == "a" * 16 + "…" + "z" * 16
    assert len(brief("x" * 90)) <= LONGEST
