"""Lanczos by hand, and against eigenvalues and powers of matrices written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench_probes.lanczos import quadrature, tridiagonal


def symmetric(values: Tensor, seed: int = 0) -> Tensor:
    """A matrix with these eigenvalues in a random basis."""
    source = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=source, dtype=torch.float64))
    return basis @ torch.diag(values) @ basis.T


def whole(alphas: Tensor, betas: Tensor) -> Tensor:
    """The tridiagonal matrix."""
    return torch.diag(alphas) + torch.diag(betas, 1) + torch.diag(betas, -1)


def test_two_by_two_by_hand():
    """A = diag(1, 3) from (1, 1)/√2: α₁ = 2, A·v − 2v = (−1, 1)/√2, so β₁ = 1 and α₂ = 2."""
    matrix = torch.diag(torch.tensor([1.0, 3.0], dtype=torch.float64))
    alphas, betas = tridiagonal(lambda v: matrix @ v, torch.tensor([5.0, 5.0], dtype=torch.float64), 10)
    torch.testing.assert_close(alphas, torch.tensor([2.0, 2.0], dtype=torch.float64), rtol=1e-12, atol=0)
    torch.testing.assert_close(betas, torch.tensor([1.0], dtype=torch.float64), rtol=1e-12, atol=0)


def test_all_iterations_give_all_eigenvalues_each_once():
    """A spectrum of outliers and a bulk, for which Lanczos without reorthogonalisation finds the outliers again."""
    values = torch.cat([torch.linspace(-1, 1, 57, dtype=torch.float64), torch.tensor([50.0, 200.0, 900.0])])
    matrix = symmetric(values)
    start = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = torch.linalg.eigvalsh(whole(*tridiagonal(lambda v: matrix @ v, start, 60)))
    torch.testing.assert_close(found, values, rtol=1e-9, atol=1e-9)


def test_it_ends_where_the_krylov_space_is_complete():
    """One vector for a multiple of the identity and for the zero matrix; four for three eigenvalues and zero."""
    start = torch.randn(50, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for scale in (0.0, 7.0):
        alphas, betas = tridiagonal(lambda v, scale=scale: scale * v, start, 20)
        assert len(betas) == 0
        torch.testing.assert_close(alphas, torch.tensor([scale], dtype=torch.float64), rtol=1e-12, atol=0)
    values = torch.zeros(50, dtype=torch.float64)
    values[:3] = torch.tensor([-2.0, 1.0, 5.0])
    matrix = symmetric(values)
    found = whole(*tridiagonal(lambda v: matrix @ v, start, 20))
    expected = torch.tensor([-2.0, 0.0, 1.0, 5.0], dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(found), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("power", range(1, 10))
def test_the_quadrature_is_exact_for_powers_below_twice_the_iterations(power: int):
    """Σ w·θᵏ is the mean of vᵀAᵏv over the unit starts, by repeated products, up to k = 2·5 − 1."""
    matrix = symmetric(torch.linspace(-1, 3, 40, dtype=torch.float64))
    like = matrix[0, :0]
    values, shares = quadrature(lambda v: matrix @ v, 40, 5, 3, torch.Generator().manual_seed(4), like)
    assert len(values) == 15
    assert float(shares.sum()) == pytest.approx(1, abs=1e-12)
    source, means = torch.Generator().manual_seed(4), []
    for _ in range(3):
        start = torch.randn(40, generator=source, dtype=torch.float64)
        image = start
        for _ in range(power):
            image = matrix @ image
        means.append(float(start @ image / (start @ start)))
    assert float(shares @ values**power) == pytest.approx(sum(means) / 3, rel=1e-9)
