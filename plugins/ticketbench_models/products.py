"""Matrix products into given memory, of one member or of a fleet, in full or in fewer bits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Products:
    """Products of matrices (rows, columns), or of a matrix a member (fleet, rows, columns)."""

    low: torch.dtype | None = None
    """The type that factors and products are rounded to, where it is not that of the tensors; sums are not rounded."""

    def factor(self, matrix: Tensor) -> Tensor:
        """A matrix as products take it: what is a factor many times is rounded once."""
        return matrix if self.low is None else matrix.to(self.low)

    def low_product(self, left: Tensor, right: Tensor) -> Tensor:
        """In fewer bits, in memory of its own."""
        return self.factor(left) @ self.factor(right)

    def put(self, out: Tensor, left: Tensor, right: Tensor) -> None:
        """out = left · right."""
        if self.low is not None:
            out.copy_(self.low_product(left, right))
        elif out.ndim == 2:
            torch.mm(left, right, out=out)
        else:
            torch.bmm(left, right, out=out)

    def add(self, out: Tensor, left: Tensor, right: Tensor) -> None:
        """out += left · right."""
        if self.low is not None:
            out.add_(self.low_product(left, right))
        elif out.ndim == 2:
            out.addmm_(left, right)
        else:
            out.baddbmm_(left, right)

    def put_affine(self, out: Tensor, left: Tensor, right: Tensor, offset: Tensor) -> None:
        """out = left · right + offset, a number a column."""
        if self.low is not None:
            torch.add(self.low_product(left, right), offset.unsqueeze(-2), out=out)
        elif out.ndim == 2:
            torch.addmm(offset, left, right, out=out)
        else:
            torch.baddbmm(offset.unsqueeze(1), left, right, out=out)
