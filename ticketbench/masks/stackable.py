"""Exact masks and shares in operations that `torch.func.vmap` can stack, with counts that stay on the device.

What `keep_top`, `allocate` and `mask_from_scores` do for one network and counts known to the host is done here for
counts that are tensors: the host waits for nothing, and no operation depends on a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ticketbench.masks.ranks import comparable, lowest, sortable
from ticketbench.masks.scopes import layer_parts
from ticketbench.masks.ticket import Mask


def top_mask(scores: Tensor, count: Tensor, allowed: Tensor | None = None) -> Tensor:
    """A mask of exactly `count` places with the highest scores, ties by lower flat index; `count` is a scalar tensor.

    `allowed` restricts the choice; where it has fewer places than `count`, all of them are kept. The same places as
    `keep_top`.

    >>> top_mask(torch.tensor([1.0, 3.0, 3.0, 0.0]), torch.tensor(1))
    tensor([False,  True, False, False])
    """
    flat = sortable(scores.detach().reshape(-1))
    free = torch.ones_like(flat, dtype=torch.bool) if allowed is None else allowed.reshape(-1)
    values = flat.masked_fill(~free, lowest(flat.dtype))
    threshold: Tensor = KthLargest.apply(values, count)  # type: ignore[no-untyped-call]
    above, ties = values > threshold, (values == threshold) & free
    room = (count - mask_count(above)).to(torch.int32)  # of the type of the places' numbers, which are not copied then
    kept: Tensor = above | (ties & (ties.cumsum(0, dtype=torch.int32) <= room))
    return kept.view(scores.shape)


def mask_count(mask: Tensor) -> Tensor:
    """How many places a mask keeps, as a scalar tensor: `mask.sum()`, several times as fast.

    >>> mask_count(torch.tensor([[True, False], [True, True]]))
    tensor(3)
    """
    return mask.sum(dtype=torch.int32).long()


class KthLargest(torch.autograd.Function):
    """The k-th largest of a vector, k a tensor; of many vectors, each with a k of its own, where it is stacked."""

    @staticmethod
    def forward(values: Tensor, count: Tensor) -> Tensor:
        """Of one vector."""
        return kth_largest(values.unsqueeze(0), count.unsqueeze(0))[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept: there is no gradient of a rank."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], values: Tensor, count: Tensor) -> tuple[Tensor, int]:
        """Of a vector a row."""
        rows = values.expand(info.batch_size, -1) if in_dims[0] is None else values.movedim(in_dims[0], 0)
        counts = count.expand(info.batch_size) if in_dims[1] is None else count
        return kth_largest(rows, counts), 0


def kth_largest(values_fn: Tensor, counts_f: Tensor) -> Tensor:
    """The k-th largest of each row; the largest where k is less than one, the smallest where k is more than there are.

    On a CPU each row is partitioned, elsewhere all are sorted at once: the results are the same.
    """
    if values_fn.device.type == "cpu" and values_fn.dtype in (torch.float32, torch.float64):
        return by_partition(values_fn, counts_f)
    return by_sorting(values_fn, counts_f)


def by_sorting(values_fn: Tensor, counts_f: Tensor) -> Tensor:
    """The k-th largest of each row, on any device, without a wait for it."""
    places_f1 = counts_f.clamp(1, values_fn.shape[1]).unsqueeze(1) - 1
    return values_fn.sort(dim=1, descending=True).values.gather(1, places_f1).squeeze(1)


def by_partition(values_fn: Tensor, counts_f: Tensor) -> Tensor:
    """The k-th largest of each row by NumPy's introselect, on a CPU; where infinity bars places, they take no time."""
    found = np.empty(len(values_fn), dtype=values_fn.numpy().dtype)
    for at, (row, count) in enumerate(zip(values_fn.numpy(), counts_f.tolist(), strict=True)):
        open_values = row[row != -np.inf]
        rank = max(1, count)
        short = rank > len(open_values)
        found[at] = -np.inf if short else np.partition(open_values, len(open_values) - rank)[len(open_values) - rank]
    return torch.from_numpy(found)


def shared_out(caps: Tensor, parts: Tensor, kept: Tensor) -> Tensor:
    """Split `kept` among layers in proportion to `parts`, none above its cap, by largest remainders: `share`, stacked.

    caps, parts: a number a layer; kept: a scalar, at most the sum of caps. Parts that are whole numbers are shared
    exactly, as `allocate` does; of float64 parts a rounding decides where two remainders are that close. What layers
    with a part cannot take goes to those without one, evenly.

    >>> shared_out(torch.tensor([10, 10, 2]), torch.tensor([1, 1, 1]), torch.tensor(9))
    tensor([4, 3, 2])
    """
    counts = in_proportion(caps, parts, kept)
    idle = parts == 0
    return counts + in_proportion(caps.where(idle, 0), idle.to(caps.dtype), kept - counts.sum())


def in_proportion(caps: Tensor, parts: Tensor, kept: Tensor) -> Tensor:
    """Split `kept` among the layers that have a part, as far as it goes into them.

    As the level λ rises, layers are full at λ = cap/part, one after the other. Layer i is full in the end if the
    level that those before it leave is above its own: λ_i = (kept − Σ caps before)/(Σ parts not before) > cap_i/part_i.
    """
    before = caps * parts.unsqueeze(1) < caps.unsqueeze(1) * parts  # [i, j]: layer j is full before layer i
    rest = kept - caps.where(before, 0).sum(1)
    # the sum of what is not before, not a difference of sums: beside 1 a part of 1e-42 would be nothing
    full = rest * parts > caps * parts.where(~before, 0).sum(1)
    share = (kept - caps.where(full, 0).sum()) * parts
    norm = parts.where(~full, 0).sum()
    norm = norm.where(norm > 0, 1)
    whole = torch.div(share, norm, rounding_mode="floor")
    remainder = share - whole * norm
    counts = caps.where(full, whole.to(caps.dtype))
    room = ~full & (counts < caps) & (parts > 0)
    order = remainder.where(room, -1).argsort(descending=True, stable=True)
    return counts + ((order.argsort() < kept - counts.sum()) & room)


def allocated(scope: str, shapes: Mapping[str, Sequence[int]], kept: Tensor, alive: Tensor) -> Tensor:
    """Weights to keep in each layer within a scope that shares by layer, (layers,): `allocate`, stacked.

    `alive` is how many weights each layer has left; `kept` is at most their sum.
    """
    sizes = parts_on(alive, "layerwise" if scope == "uniform" else scope, shapes)
    if scope != "uniform" or len(shapes) == 1:
        return shared_out(alive, sizes, kept)
    others = shared_out(alive[1:], sizes[1:], (kept - alive[0]).clamp(min=0))
    dense_first = torch.cat([alive[:1], others])
    return shared_out(alive, sizes, kept).where(kept <= alive[0], dense_first)


def parts_on(like: Tensor, scope: str, shapes: Mapping[str, Sequence[int]]) -> Tensor:
    """The parts of the layers in a scope, beside another tensor."""
    return torch.tensor(list(layer_parts(scope, shapes).values()), dtype=torch.int64, device=like.device)


def best_left(scores: Mapping[str, Tensor], current: Mapping[str, Tensor], kept: Tensor, scope: str = "global") -> Mask:
    """The mask that keeps exactly `kept` of the weights that `current` still has, best scores first, within a scope.

    The same mask as `trial.prune` makes of these scores.
    """
    if scope == "global":
        flat = comparable([scores[name] for name in current])
        chosen = top_mask(flat, kept, torch.cat([mask.reshape(-1) for mask in current.values()]))
        parts = torch.split(chosen, [mask.numel() for mask in current.values()])
        return {name: part.view(current[name].shape) for name, part in zip(current, parts, strict=True)}
    shapes = {name: tuple(mask.shape) for name, mask in current.items()}
    counts = allocated(scope, shapes, kept, torch.stack([mask_count(mask) for mask in current.values()]))
    return {name: top_mask(scores[name], counts[at], mask) for at, (name, mask) in enumerate(current.items())}
