"""What updates share: masks as bits, numbers a member, and new values in the place of old ones."""

from __future__ import annotations

import pytest
import torch

from ticketbench.kernels.moving import across, as_bytes, bits_of, kept_by, move
from ticketbench.kernels.pace import Pace


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_bits_keep_a_value_or_leave_zero(dtype: torch.dtype):
    """Whatever the value is: nan and infinity go, and no zero is negative."""
    values = torch.tensor([[1.5, torch.nan, -torch.inf, -0.0, -3.0, 1e-40]], dtype=dtype)
    for keeps in (True, False):
        mask = torch.full_like(values, keeps, dtype=torch.bool)
        kept = kept_by(values, bits_of(mask, values))
        expected = values if keeps else torch.zeros_like(values)
        assert kept.dtype == dtype
        assert torch.equal(kept.view(torch.uint8), expected.view(torch.uint8))
    assert kept_by(values, bits_of(None, values)) is values


def test_a_number_a_member_is_shaped_like_the_weight():
    """(F,) beside (F, a, b)."""
    numbers = across(torch.tensor([2.0, 3.0]), torch.ones(2, 4, 5))
    assert numbers.shape == (2, 1, 1)
    assert (numbers * torch.ones(2, 4, 5)).sum(dim=(1, 2)).tolist() == [40.0, 60.0]


def test_new_values_come_where_a_member_is_live():
    """And zero outside the mask; the memory stays."""
    old, ones = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2)
    address = old.data_ptr()
    pace = Pace(torch.tensor([True, False]), ones, ones, ones)
    mask = torch.tensor([[True, False], [True, False]])
    move(pace, bits_of(mask, old), (old, torch.full((2, 2), 9.0)))
    assert old.tolist() == [[9.0, 0.0], [3.0, 4.0]]
    assert old.data_ptr() == address


def test_flags_are_read_as_the_bytes_that_they_are():
    """The same memory."""
    flags = torch.tensor([True, False])
    as_byte = as_bytes(flags)
    assert as_byte is not None
    assert as_byte.tolist() == [1, 0]
    assert as_byte.data_ptr() == flags.data_ptr()
    assert as_bytes(None) is None
