"""Whole Hessians of small networks, in float64: exact, and by outer products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from ticketbench import criterion_roots, pulled_back
from ticketbench_methods.slices import in_double, training_slice

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

PIECE = 100
"""Examples that go through the network together, for the exact Hessian."""
CHUNK = 32
"""Backward passes that go together."""
ROWS = 256
"""Outer products that are added together."""


def exact_hessian(trial: Trial, weights: Mapping[str, Tensor], examples: int) -> Tensor:
    """∇²L of the mean criterion over a training slice, by one Hessian-vector product a weight."""
    leaves = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    whole, seen = zeros_for(weights), 0
    for piece in training_slice(trial, examples, PIECE):
        loss = trial.criterion(trial.outputs(in_double(piece.inputs), leaves, training=False), piece)
        slopes = torch.autograd.grad(loss, list(leaves.values()), create_graph=True, materialize_grads=True)
        slope = torch.cat([part.flatten() for part in slopes])
        for places in torch.split(torch.arange(len(slope), device=slope.device), CHUNK):
            basis = torch.zeros(len(places), len(slope), dtype=slope.dtype, device=slope.device)
            whole[places] += flat_rows(slope, leaves, basis.scatter_(1, places.unsqueeze(1), 1)) * len(piece)
        trial.bill(len(slope), len(piece))
        seen += len(piece)
    return (whole + whole.T) / (2 * seen)


def outer_products(trial: Trial, weights: Mapping[str, Tensor], examples: int) -> Tensor:
    """(1/P)·Σ XXᵀ over P examples and, for each, over the roots r of its criterion's Hessian, X = Jᵀr."""
    leaves = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    whole, seen = zeros_for(weights), 0
    waiting: list[Tensor] = []
    for one in training_slice(trial, examples, 1):
        outputs = trial.outputs(in_double(one.inputs), leaves, training=False)
        _, roots = criterion_roots(trial, outputs, one)
        waiting.append(flat_rows(outputs, leaves, roots.unsqueeze(1)))
        trial.bill(len(roots) - 1, 1)
        seen += 1
        if sum(map(len, waiting)) >= ROWS:
            rows, waiting = torch.cat(waiting), []
            whole.addmm_(rows.T, rows)
    rows = torch.cat([whole[:0], *waiting])
    return whole.addmm_(rows.T, rows) / seen


def flat_rows(found: Tensor, leaves: Mapping[str, Tensor], basis: Tensor) -> Tensor:
    """The vector-Jacobian products of a stack of vectors, each laid out over all weights."""
    return torch.cat([rows.flatten(1) for rows in pulled_back(found, list(leaves.values()), basis)], dim=1)


def zeros_for(weights: Mapping[str, Tensor]) -> Tensor:
    """A square matrix with a row and a column for every weight."""
    size = sum(weight.numel() for weight in weights.values())
    return torch.zeros(size, size, dtype=torch.float64, device=next(iter(weights.values())).device)
