"""The share of time that is covered."""

from __future__ import annotations

from benchmarks.gpu.busy_child import coverage


def test_spans_that_overlap_count_once():
    """0 to 3 and 5 to 6 of 0 to 6, in any order; nothing of nothing."""
    assert coverage([(5, 6), (1, 3), (0, 2), (1, 2)]) == (4, 6)
    assert coverage([]) == (0, 0)
