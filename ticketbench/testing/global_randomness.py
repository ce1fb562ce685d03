"""Global random numbers that start elsewhere: what a cell computes must not depend on them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def random_numbers_from(seed: int) -> Iterator[None]:
    """Within the block the global generators of Python, NumPy and torch start from a seed; afterwards as if nothing."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)
