"""The spectrum of a symmetric matrix that is known by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def tridiagonal(product: Callable[[Tensor], Tensor], start: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Lanczos with full reorthogonalisation: diagonal α and off-diagonal β of VᵀAV, V an orthonormal Krylov basis.

    Every new vector is made orthogonal to all before it, twice, without which rounding lets converged eigenvalues
    come again. It ends early where the Krylov space is complete.
    """
    basis = (start / start.norm()).unsqueeze(0)
    alphas: list[Tensor] = []
    betas: list[Tensor] = []
    scale = 0.0
    for _ in range(min(iterations, len(start))):
        image = product(basis[-1])
        alphas.append(basis[-1] @ image)
        scale = max(scale, float(image.norm()))
        for _twice in range(2):
            image = image - (basis @ image) @ basis
        length = image.norm()
        if float(length) <= len(start) * torch.finfo(start.dtype).eps * scale:
            break
        betas.append(length)
        basis = torch.cat([basis, (image / length).unsqueeze(0)])
    return torch.stack(alphas), torch.stack(betas[: len(alphas) - 1]) if len(alphas) > 1 else start[:0]


def quadrature(
    product: Callable[[Tensor], Tensor], size: int, iterations: int, starts: int, source: torch.Generator, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Stochastic Lanczos quadrature: values θ and shares w with Σ w·f(θ) ≈ tr f(A) / size; the shares add up to one.

    From each random start, θ are the eigenvalues of its tridiagonal matrix and w the squared first entries of their
    eigenvectors. The outermost θ converge to the extreme eigenvalues first.
    """
    values, shares = [], []
    for _ in range(starts):
        start = torch.randn(size, generator=source, dtype=like.dtype).to(like.device)
        alphas, betas = tridiagonal(product, start, iterations)
        small = torch.diag(alphas) + torch.diag(betas, 1) + torch.diag(betas, -1)
        found, vectors = torch.linalg.eigh(small)
        values.append(found)
        shares.append(vectors[0].square() / starts)
    return torch.cat(values), torch.cat(shares)
