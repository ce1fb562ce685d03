"""Scopes: how many weights each layer keeps, exact to one weight in every layer and in total."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, get_args

from ticketbench.errors import OptionError, TicketError, suggest

Scope = Literal["global", "layerwise", "erk", "er", "uniform"]
"""How layers share a budget. global: one threshold over all layers. The others fix each layer's share before ranking
within it, as `allocate` says."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Every scope, for messages and loops."""


def kept_count(density: float, total: int) -> int:
    """How many of `total` weights a density keeps: floor(density · total + 1/2).

    >>> kept_count(0.5, 7)
    4
    """
    if not 0.0 < density <= 1.0:
        raise TicketError(f"density {density:g} is outside (0, 1]: it is the fraction of weights that is kept")
    return min(total, math.floor(density * total + 0.5))


def allocate(
    scope: str | Mapping[str, float],
    shapes: Mapping[str, Sequence[int]],
    kept: int,
    alive: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Weights to keep in each layer; they add up to `kept` exactly and never exceed a layer.

    layerwise: the same density in every layer. erk: Erdős–Rényi kernel, density ∝ Σ dims / Π dims, layers
    that would exceed 1 are dense and the rest is solved again (Evci et al. 2020). er: the same without the
    kernel's dimensions, density ∝ (n_in + n_out) / (n_in · n_out) (Mocanu et al. 2018). uniform: the first layer
    dense and the others at one density, lowered so that the total stays exact; where the first layer alone
    exceeds the total, the same as layerwise. A number for each layer instead of a name: in that proportion.
    Where an earlier mask left a layer fewer weights (`alive`) than its share, it keeps those and the others take
    the rest.

    >>> allocate("layerwise", {"first": (4, 5), "second": (2, 5)}, kept=15)
    {'first': 10, 'second': 5}
    >>> allocate("er", {"first": (4, 5), "second": (2, 5)}, kept=15)  # 9 and 7 parts of 16
    {'first': 8, 'second': 7}
    >>> allocate({"first": 1.0, "second": 2.0}, {"first": (4, 5), "second": (2, 5)}, kept=15)
    {'first': 5, 'second': 10}
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    caps = dict(alive) if alive is not None else sizes
    total = sum(caps.values())
    if not 0 <= kept <= total:
        raise TicketError(f"cannot keep {kept} weights: {total} are left of {sum(sizes.values())}")
    if not isinstance(scope, str):
        return share(caps, proportions(scope, sizes), kept)
    if scope == "uniform":
        first = next(iter(sizes))
        if kept <= caps[first]:
            return share(caps, sizes, kept)
        others = {name: cap for name, cap in caps.items() if name != first}
        return {first: caps[first], **share(others, {name: sizes[name] for name in others}, kept - caps[first])}
    return share(caps, layer_parts(scope, shapes), kept)


def layer_parts(scope: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The parts of the budget that layers have in a scope that shares in proportion."""
    if scope == "layerwise":
        return {name: math.prod(shape) for name, shape in shapes.items()}
    if scope == "er":
        return {name: sum(shape[:2]) * math.prod(shape[2:]) for name, shape in shapes.items()}
    if scope == "erk":
        return {name: sum(shape) for name, shape in shapes.items()}
    raise OptionError(f"unknown scope '{scope}' for an allocation by layer. {suggest(scope, SCOPES)}")


def proportions(parts: Mapping[str, float], layers: Iterable[str]) -> dict[str, Fraction]:
    """The layers' parts as exact fractions; a `TicketError` names a layer whose part is missing or no number."""
    for name in layers:
        if name not in parts or not math.isfinite(parts[name]) or parts[name] < 0:
            found = f"{parts[name]:g}" if name in parts else "missing"
            raise TicketError(f"the part of '{name}' is {found}: each layer needs a finite number, 0 or more")
    return {name: Fraction(parts[name]) for name in layers}


def share(sizes: Mapping[str, int], weights: Mapping[str, int | Fraction], kept: int) -> dict[str, int]:
    """Split `kept` in proportion to `weights`, no layer above its size, by largest remainders.

    Ties go to the layer that comes first; exact fractions, so that a rounding never decides.

    >>> share({"a": 10, "b": 10, "c": 2}, {"a": 1, "b": 1, "c": 1}, kept=9)
    {'a': 4, 'b': 3, 'c': 2}
    """
    full: dict[str, int] = {}
    while True:
        open_layers = [name for name in sizes if name not in full]
        rest = kept - sum(full.values())
        norm = sum(weights[name] for name in open_layers)
        ideal = {name: Fraction(rest * weights[name]) / norm for name in open_layers} if norm else {}
        overfull = [name for name in open_layers if ideal.get(name, 0) > sizes[name]]
        if not overfull:
            break
        full |= {name: sizes[name] for name in overfull}
    counts = {name: full.get(name, math.floor(ideal.get(name, 0))) for name in sizes}
    missing = kept - sum(counts.values())
    by_remainder = sorted(open_layers, key=lambda name: counts[name] - ideal.get(name, 0))
    while missing > 0:
        for name in by_remainder:
            if missing > 0 and counts[name] < sizes[name]:
                counts[name] += 1
                missing -= 1
    return counts
