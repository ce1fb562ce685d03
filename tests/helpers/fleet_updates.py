"""Stacked weights with everything that an update needs, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ticketbench.kernels.pace import Pace


@dataclass(frozen=True)
class Drawn:
    """Weights and slots that are zero outside the mask, and gradients that are not finite there."""

    weight: Tensor
    gradient: Tensor
    mask: Tensor
    first: Tensor
    second: Tensor


def drawn(*shape: int, seed: int = 0) -> Drawn:
    """A stacked weight (F, ...) under a mask of about a half; the gradient outside it is nan or infinite."""
    source = torch.Generator().manual_seed(seed)
    weight, gradient, first, second = (torch.randn(shape, generator=source) for _ in range(4))
    mask = torch.rand(shape, generator=source) < 0.5
    beyond = torch.where(torch.rand(shape, generator=source) < 0.5, torch.nan, -torch.inf)
    return Drawn(
        weight.where(mask, 0), gradient.where(mask, beyond), mask, first.where(mask, 0), second.square().where(mask, 0)
    )


def pace_of(fleet: int, *, decay: bool = False, shrink: bool = False, dead: tuple[int, ...] = ()) -> Pace:
    """Other rates, decays and ages for each member."""
    members = torch.arange(fleet)
    live = torch.tensor([member not in dead for member in range(fleet)])
    rate = 0.1 / (1 + members)
    weights = 0.01 * (1 + members)
    return Pace(
        live,
        rate,
        weights if decay else torch.zeros(fleet),
        1 - rate * weights if shrink else torch.ones(fleet),
        1 + 7 * members,
    )
