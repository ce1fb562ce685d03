"""Likeness of masks, by hand and against blind draws."""

from __future__ import annotations

import pytest
import torch

from ticketbench.errors import TicketError
from ticketbench.tickets.overlap import Overlap, chance_overlap, overlap


def mask(**layers: list[int]) -> dict[str, torch.Tensor]:
    """Masks from ones and zeros."""
    return {name: torch.tensor(bits, dtype=torch.bool) for name, bits in layers.items()}


FIRST = mask(a=[1, 1, 0, 0], b=[1, 0])
SECOND = mask(a=[1, 0, 1, 1], b=[0, 0])


def test_overlap_by_hand():
    """One of three and three weights in common: five are kept by either, and four of six places differ."""
    assert overlap(FIRST, SECOND) == Overlap(distance=4 / 6, jaccard=1 / 5, common=1 / 3)


def test_chance_by_hand():
    """2·3/4 + 1·0/2 = 1.5 weights in common; six kept in all, so 4.5 by either."""
    assert chance_overlap(FIRST, SECOND) == Overlap(distance=3 / 6, jaccard=1.5 / 4.5, common=0.5)


def test_equal_masks_have_no_distance_and_empty_ones_are_equal():
    """Zero and ones, whatever is kept."""
    for same in (FIRST, mask(a=[0, 0])):
        assert overlap(same, same) == Overlap(distance=0, jaccard=1, common=1)


def test_a_mask_inside_another_has_all_its_weights_in_common():
    """The share is of the smaller one."""
    found = overlap(mask(a=[1, 0, 0, 0]), mask(a=[1, 1, 1, 1]))
    assert (found.common, found.jaccard) == (1, 0.25)


def test_blind_draws_come_out_at_chance():
    """The mean over many pairs with fixed counts a layer: 3,000 permutations, within four standard errors."""
    source = torch.Generator().manual_seed(0)
    first = {"a": torch.arange(20) < 5, "b": torch.arange(30) < 12}
    seconds = {"a": torch.arange(20) < 8, "b": torch.arange(30) < 3}
    found = []
    for _ in range(3000):
        drawn = {name: part[torch.randperm(len(part), generator=source)] for name, part in seconds.items()}
        found.append(overlap(first, drawn))
    for measure in ("distance", "common"):
        values = torch.tensor([getattr(one, measure) for one in found], dtype=torch.float64)
        expected = getattr(chance_overlap(first, seconds), measure)
        assert abs(values.mean().item() - expected) < 4 * values.std().item() / 3000**0.5


def test_masks_of_other_layers_or_shapes_are_refused():
    """The first difference is named."""
    with pytest.raises(TicketError, match="only one of them has a layer 'b'"):
        overlap(FIRST, mask(a=[1, 1, 0, 0]))
    with pytest.raises(TicketError, match=r"'b' has shape \(2,\) in one and \(3,\)"):
        overlap(FIRST, mask(a=[1, 1, 0, 0], b=[1, 1, 1]))
