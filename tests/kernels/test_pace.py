"""Adam's corrections of each member's age."""

from __future__ import annotations

import math

import pytest
import torch

from ticketbench.kernels.pace import Pace, corrections_at, corrections_of


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32], ids=str)
def test_corrections_are_computed_in_double_precision(dtype: torch.dtype):
    """1 − 0.9ᵗ and √(1 − 0.999ᵗ), rounded once, also where fp32 would lose digits; age 0 counts as 1."""
    ages = (0, 1, 2, 10, 1000, 2_000_000)
    found = corrections_at(torch.tensor(ages, dtype=dtype), (0.9, 0.999))
    counted = [max(age, 1) for age in ages]
    assert torch.equal(found.first, torch.tensor([1 - 0.9**age for age in counted]))
    assert torch.equal(found.root, torch.tensor([math.sqrt(1 - 0.999**age) for age in counted]))
    assert found.first.dtype == torch.float32


def test_no_memory_of_what_was_before_needs_no_correction():
    """β = 0: both averages are the present gradient's."""
    found = corrections_at(torch.tensor([1, 5]), (0.0, 0.0))
    assert found.first.tolist() == found.root.tolist() == [1.0, 1.0]


def test_adam_without_an_age_is_refused():
    """Instead of guessing one."""
    one = torch.ones(1)
    with pytest.raises(ValueError, match="Adam needs the age of each member: a Pace with an age"):
        corrections_of(Pace(one.bool(), one, one, one), (0.9, 0.999))
