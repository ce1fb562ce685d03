"""What engine version 1 computes, pinned: a change of these numbers needs a new ENGINE_VERSION."""

from __future__ import annotations

import pytest

from ticketbench.plan.cell import ENGINE_VERSION

PINNED = {
    "dense": (72, 0.327395),
    "snip": (36, 0.428718),
    "imp": (36, 0.335441),
    "rigl": (36, 0.541994),
}


@pytest.mark.parametrize("row", ["dense", "snip", "imp", "rigl"])
def test_the_numbers_of_this_engine_version(tiny_suite, records_of, row):
    """The last training loss and the kept weights of seed 0, to the rounding of float32."""
    records = records_of(tiny_suite(), methods=(row,), seeds=1)
    losses = [point[6] for point in records[0]["curves"] if point[2] == "loss"]
    assert (ENGINE_VERSION, records[0]["kept"]) == (1, PINNED[row][0])
    assert losses[-1] == pytest.approx(PINNED[row][1], rel=2e-4)
