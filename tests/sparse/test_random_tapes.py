"""Random networks under random masks, at live weights against dense torch: `random_tapes.py` draws thousands."""

from __future__ import annotations

import pytest
from machines import needs_machine
from random_tapes import STEPS, Network
from tape_agreement import compare

CASES = 60


@needs_machine
@pytest.mark.parametrize("seed", [*range(CASES), 105, 397, 450])  # the last read a vector twice, in full rows
def test_the_machine_computes_what_torch_does(seed: int):
    """In double precision to 1e-9; the same bits by every way in single precision. What fails says how to see it."""
    compare(seed)


def test_the_cases_have_all_that_a_tape_may_have():
    """And all of it several times."""
    said = "\n".join(line for seed in range(CASES) for line in Network(seed).said)
    words = ("convolution", "linear", "relu(", "pool", "part", "stopped", "tanh", "gated", "remember", "reveal")
    assert min(said.count(word) for word in words) > 3
    assert len(STEPS) == 12
