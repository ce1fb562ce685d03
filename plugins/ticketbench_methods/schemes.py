"""Pruning schemes by classes of weights: one threshold for all, a share of each class, or multiples of deviations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Recurrent, allocate, keep_top

if TYPE_CHECKING:
    from torch import Tensor, nn

Scheme = Literal["blind", "uniform", "distribution"]
"""blind: the smallest |θ| of all go. uniform: the smallest |θ| of each class, the same share of it. distribution: all
with |θ| < λ·σ_c, σ_c the standard deviation of the live weights of the class c, and the same λ for all classes."""
Classes = Literal["weight", "layer"]
"""weight: each weight tensor is a class. layer: all of a module, and all of a recurrent layer, are one."""


def classes_of(module: nn.Module, names: list[str], classes: Classes) -> dict[str, str]:
    """The class of each weight."""
    if classes == "weight":
        return {name: name for name in names}
    own = {*module.layer.values()} if isinstance(module, Recurrent) else set()
    return {name: "recurrent layer" if name in own else name.rpartition(".")[0] or name for name in names}


def mask_by_scheme(
    scheme: Scheme, weights: Mapping[str, Tensor], mask: Mapping[str, Tensor], of: Mapping[str, str], kept: int
) -> dict[str, Tensor]:
    """The mask that leaves exactly `kept` of the live weights; `of` names the class of each weight."""
    sizes = {name: weight.abs().double() for name, weight in weights.items()}
    labels = list(dict.fromkeys(of.values()))
    within = {label: [name for name in weights if of[name] == label] for label in labels}
    if scheme == "distribution":
        for names in within.values():
            spread = deviation(torch.cat([weights[name][mask[name]] for name in names]))
            sizes |= {name: sizes[name] / spread for name in names}
    if scheme != "uniform":
        return best_of(list(weights), sizes, mask, kept)
    counted = {label: (sum(mask[name].numel() for name in names),) for label, names in within.items()}
    alive = {label: sum(int(mask[name].sum()) for name in names) for label, names in within.items()}
    counts = allocate("layerwise", counted, kept, alive)
    parts = [best_of(names, sizes, mask, counts[label]) for label, names in within.items()]
    found = {name: part for each in parts for name, part in each.items()}
    return {name: found[name] for name in weights}


def best_of(names: list[str], sizes: Mapping[str, Tensor], mask: Mapping[str, Tensor], kept: int) -> dict[str, Tensor]:
    """The mask of the largest live weights of some layers together, ties by index."""
    flat = torch.cat([sizes[name].flatten() for name in names])
    chosen = keep_top(flat, kept, torch.cat([mask[name].flatten() for name in names]))
    parts = torch.split(chosen, [mask[name].numel() for name in names])
    return {name: part.view(mask[name].shape) for name, part in zip(names, parts, strict=True)}


def deviation(values: Tensor) -> Tensor:
    """Their standard deviation, above zero, to divide by; 1 of none."""
    if not values.numel():
        return torch.ones((), dtype=torch.float64, device=values.device)
    return values.double().std(correction=0).clamp(min=torch.finfo(torch.float32).tiny)
