"""Products with Jacobians, many at once, and the curvature of a criterion, for plugins of second order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ticketbench.plugin.examples import Split
    from ticketbench.plugin.trial import Trial

CHUNK = 32
"""How many backward passes go together through a criterion."""


def pulled_back(found: Tensor, leaves: Sequence[Tensor], basis: Tensor) -> list[Tensor]:
    """vᵀ·∂found/∂leaf for each vector v of a stack (vectors, *found's shape), in one batched backward pass.

    One tensor (vectors, *leaf's shape) a leaf, zero where nothing depends on it. The graph stays.
    """
    rows: tuple[Tensor | None, ...] = (None,) * len(leaves)
    if found.requires_grad and len(basis):
        rows = torch.autograd.grad(
            found, list(leaves), basis, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
    return [
        leaf.new_zeros(len(basis), *leaf.shape) if row is None else row for leaf, row in zip(leaves, rows, strict=True)
    ]


def criterion_roots(trial: Trial, outputs: Tensor, examples: Split) -> tuple[Tensor, Tensor]:
    """(owners, roots): the Hessian of the criterion by the outputs of example b is Σ rrᵀ over the roots r of b.

    It is taken at `outputs` (examples, …), exactly and without sampling; the criterion is a mean over examples, so that
    no example's slope depends on another's outputs. Directions of negative curvature, and those of none up to rounding,
    have no root. Roots have the shape of one example's outputs; their owners, its place in the batch, are in order.
    """
    point = outputs.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(trial.criterion(point, examples), point, create_graph=True)
    width = math.prod(point.shape[1:])
    columns = []
    for places in torch.split(torch.arange(width, device=point.device), CHUNK):
        basis = torch.zeros(len(places), len(point), width, dtype=point.dtype, device=point.device)
        basis[torch.arange(len(places), device=places.device), :, places] = 1
        columns.append(pulled_back(slope, [point], basis.view(-1, *point.shape))[0].flatten(2))
    values, vectors = torch.linalg.eigh(torch.cat(columns).transpose(0, 1).double())
    least = torch.finfo(point.dtype).eps * width * values.amax(1, keepdim=True).clamp(min=0)
    owners, which = (values > least).nonzero(as_tuple=True)
    roots = vectors[owners, :, which] * values[owners, which].sqrt().unsqueeze(1)
    return owners, roots.to(point.dtype).view(-1, *point.shape[1:])
