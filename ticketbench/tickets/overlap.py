"""How alike two masks are, beside what chance would give at the densities their layers have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ticketbench.errors import TicketError


@dataclass(frozen=True)
class Overlap:
    """Two masks A and B over the same N weights."""

    distance: float
    """(|A \\ B| + |B \\ A|) / N, the Hamming distance: 0 for equal masks."""
    jaccard: float
    """|A ∩ B| / |A ∪ B|, the intersection over the union: 1 for equal masks."""
    common: float
    """|A ∩ B| / min(|A|, |B|), the share of the smaller one's weights that the other keeps as well."""


def overlap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Overlap:
    """The likeness of two masks. Two empty ones are equal."""
    check_comparable(first, second)
    both = float(sum(int((first[name] & second[name]).sum()) for name in first))
    return measures(both, counts(first), counts(second), sum(part.numel() for part in first.values()))


def chance_overlap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Overlap:
    """The same of two masks drawn blindly, with as many weights a layer: E|A ∩ B| = Σ |A_l|·|B_l| / N_l.

    Distance and common share are expectations; the Jaccard index is that of the expected counts.
    """
    check_comparable(first, second)
    shared = ((int(first[name].sum()), int(second[name].sum()), first[name].numel()) for name in first)
    both = sum(mine * theirs / size for mine, theirs, size in shared if size)
    return measures(both, counts(first), counts(second), sum(part.numel() for part in first.values()))


def measures(both: float, first: int, second: int, size: int) -> Overlap:
    """The three measures of |A ∩ B|, |A|, |B| and N."""
    either, smaller = first + second - both, min(first, second)
    return Overlap(
        distance=(either - both) / max(1, size),
        jaccard=both / either if either else 1.0,
        common=both / smaller if smaller else 1.0,
    )


def counts(mask: Mapping[str, Tensor]) -> int:
    """How many weights a mask keeps, over all layers."""
    return sum(int(part.sum()) for part in mask.values())


def check_comparable(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Both masks are of the same layers and shapes, or a `TicketError` names the first difference."""
    for name in (*first, *second):
        shapes = [tuple(mask[name].shape) if name in mask else None for mask in (first, second)]
        if None in shapes:
            raise TicketError(f"the masks cannot be compared: only one of them has a layer '{name}'")
        if shapes[0] != shapes[1]:
            raise TicketError(
                f"the masks cannot be compared: '{name}' has shape {shapes[0]} in one and {shapes[1]} in the other"
            )
