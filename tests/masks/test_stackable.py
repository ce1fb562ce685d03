"""Masks and shares that can be stacked, against those of single networks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import vmap

from ticketbench.masks import stackable
from ticketbench.masks.scopes import allocate
from ticketbench.masks.stackable import allocated, best_left, by_partition, by_sorting, shared_out, top_mask
from ticketbench.masks.ticket import keep_top, mask_from_scores

VALUES = st.sampled_from([-math.inf, -2.0, -1.0, 0.0, 0.0, 1.0, 1.0, 3.0, math.inf])


@pytest.fixture(params=["partition", "sorting"])
def both_ways(request, monkeypatch):
    """As on a CPU, and as on an accelerator."""
    if request.param == "sorting":
        monkeypatch.setattr(stackable, "kth_largest", by_sorting)


@pytest.mark.usefixtures("both_ways")
@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.data())
def test_a_stack_of_masks_equals_each_alone(size: int, members: int, data):
    """Ties, barred places, none and all: with a count a member, the places of `keep_top`."""
    scores = torch.tensor([data.draw(st.lists(VALUES, min_size=size, max_size=size)) for _ in range(members)])
    allowed = torch.tensor([data.draw(st.lists(st.booleans(), min_size=size, max_size=size)) for _ in range(members)])
    counts = [data.draw(st.integers(0, int(part.sum()))) for part in allowed]
    found = vmap(top_mask)(scores, torch.tensor(counts), allowed)
    for at, count in enumerate(counts):
        assert found[at].equal(keep_top(scores[at], count, allowed[at]))
    assert top_mask(scores[0], torch.tensor(counts[0]), allowed[0]).equal(found[0])


@pytest.mark.usefixtures("both_ways")
def test_more_than_there_is_keeps_all_that_is_allowed():
    """Three of two."""
    found = top_mask(torch.tensor([1.0, 2.0, -math.inf]), torch.tensor(3), torch.tensor([False, True, True]))
    assert found.tolist() == [False, True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sorting_and_partition_find_the_same(dtype: torch.dtype):
    """Thousands of numbers, some barred, some not a number, at every kind of rank."""
    source = torch.Generator().manual_seed(0)
    values = torch.rand(7, 3001, generator=source, dtype=dtype)
    values[1:, ::3], values[2, 5] = -math.inf, math.nan
    counts = torch.tensor([0, 1, 2, 1000, 2000, 2001, 9999])
    one, other = by_sorting(values, counts), by_partition(values, counts)
    assert torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    assert one[3] == values[3].sort(descending=True).values[999]


LAYERS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=300)
@given(LAYERS, st.data())
def test_whole_parts_are_shared_exactly(layers: list[tuple[int, int]], data):
    """Full layers, layers without a part, largest remainders, ties: the fractions of `allocate`."""
    caps, parts = ([layer[at] for layer in layers] for at in (0, 1))
    kept = data.draw(st.integers(0, sum(caps)))
    names = [str(at) for at in range(len(layers))]
    shapes = {name: (max(1, cap),) for name, cap in zip(names, caps, strict=True)}
    expected = allocate(
        dict(zip(names, map(float, parts), strict=True)), shapes, kept, dict(zip(names, caps, strict=True))
    )
    found = shared_out(torch.tensor(caps), torch.tensor(parts), torch.tensor(kept))
    assert found.tolist() == list(expected.values())
    doubles = shared_out(torch.tensor(caps), torch.tensor(parts, dtype=torch.float64), torch.tensor(kept))
    assert int(doubles.sum()) == kept
    assert bool((doubles <= torch.tensor(caps)).all())


def test_shares_of_large_layers_are_exact():
    """Products beyond 2^32: 25 million weights over three layers of millions, by hand with whole numbers."""
    caps, parts = [2_359_296, 9_437_184, 20_000_000], [2_359_296, 9_437_184, 13_000_001]
    found = shared_out(torch.tensor(caps), torch.tensor(parts), torch.tensor(20_000_003))
    total = sum(parts)
    floors = [20_000_003 * part // total for part in parts]
    missing = 20_000_003 - sum(floors)
    order = sorted(range(3), key=lambda at: -(20_000_003 * parts[at] % total))
    assert found.tolist() == [floors[at] + (at in order[:missing]) for at in range(3)]


SHAPES = {"first": (4, 3), "second": (2, 3, 2, 2), "third": (3, 2)}


@settings(deadline=None)
@given(st.sampled_from(["global", "layerwise", "erk", "er", "uniform"]), st.integers(0, 2**30), st.data())
def test_pruning_a_stack_equals_pruning_each(scope: str, seed: int, data):
    """Three members with masks, scores and counts of their own, in every scope."""
    source = torch.Generator().manual_seed(seed)
    masks = {name: torch.rand(3, *shape, generator=source) < 0.6 for name, shape in SHAPES.items()}
    scores = {name: torch.randint(0, 4, (3, *shape), generator=source).float() for name, shape in SHAPES.items()}
    alive = [sum(int(mask[at].sum()) for mask in masks.values()) for at in range(3)]
    kept = [data.draw(st.integers(0, count)) for count in alive]
    found = vmap(lambda *given: best_left(*given, scope))(scores, masks, torch.tensor(kept))
    for at, count in enumerate(kept):
        own = [{name: part[at] for name, part in state.items()} for state in (scores, masks)]
        for name, expected in mask_from_scores(*own, count, scope).items():
            assert found[name][at].equal(expected)


def test_a_network_of_one_layer_is_uniform_as_it_is():
    """All of the budget."""
    assert allocated("uniform", {"only": (5, 2)}, torch.tensor(7), torch.tensor([9])).tolist() == [7]
