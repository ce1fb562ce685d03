"""Products into given memory, against sums over indices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench_models.products import Products


def drawn(*shape: int) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("fleet", [(), (3,)], ids=["member", "fleet"])
@pytest.mark.parametrize("low", [None, torch.bfloat16], ids=["full", "bf16"])
def test_products_into_columns_of_wider_memory(fleet: tuple[int, ...], low: torch.dtype | None):
    """Put, added, and with an offset a column; columns beside them keep every bit."""
    left, right, offset, whole = drawn(*fleet, 4, 5), drawn(*fleet, 5, 6), drawn(*fleet, 6), drawn(*fleet, 4, 9)
    rounded = [part if low is None else part.to(low).double() for part in (left, right)]
    product = (rounded[0].unsqueeze(-1) * rounded[1].unsqueeze(-3)).sum(dim=-2)
    cases = {
        "put": ((), product),
        "add": ((), whole[..., 2:8] + product),
        "put_affine": ((offset,), product + offset.unsqueeze(-2)),
    }
    for name, (more, expected) in cases.items():
        memory = whole.clone()
        getattr(Products(low), name)(memory[..., 2:8], left, right, *more)
        tolerance = 1e-12 if low is None else 2**-7
        torch.testing.assert_close(memory[..., 2:8], expected, rtol=tolerance, atol=4 * tolerance)
        assert memory[..., :2].equal(whole[..., :2])
        assert memory[..., 8:].equal(whole[..., 8:])


def test_factors_are_rounded_once():
    """Those in the right type stay the tensors that they are."""
    matrix = drawn(2, 2)
    assert Products().factor(matrix) is matrix
    rounded = Products(torch.bfloat16).factor(matrix)
    assert rounded.dtype == torch.bfloat16
    assert Products(torch.bfloat16).factor(rounded) is rounded
