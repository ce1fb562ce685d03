"""How many weights each layer keeps."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketbench.errors import OptionError, TicketError
from ticketbench.masks.scopes import allocate, kept_count

LENET = {"first": (300, 784), "second": (100, 300), "third": (10, 100)}
SHAPES = st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=4).map(tuple), min_size=1, max_size=6)


def named(shapes: list[tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes as layers."""
    return {f"layer{at}": shape for at, shape in enumerate(shapes)}


@pytest.mark.parametrize(
    ("density", "total", "kept"),
    [
        (0.5, 72, 36),
        (0.5, 73, 37),  # 36.5 rounds up
        (0.1, 14, 1),  # 1.4
        (0.9, 3_121_200, 2_809_080),
        (0.1, 3_121_200, 312_120),
        (0.02, 266_200, 5_324),
        (1.0, 7, 7),
        (0.001, 100, 0),
    ],
)
def test_the_kept_count_is_the_nearest_whole_number(density: float, total: int, kept: int):
    """Half a weight counts as one."""
    assert kept_count(density, total) == kept


@given(st.floats(1e-6, 1.0), st.integers(0, 10**7))
def test_the_kept_count_is_within_half_a_weight(density: float, total: int):
    """No density is missed by more than half a weight, and no more is kept than there is."""
    kept = kept_count(density, total)
    assert abs(kept - Fraction(density) * total) <= Fraction(1, 2) + Fraction(1, 10**6)
    assert 0 <= kept <= total


@pytest.mark.parametrize("density", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_a_density_outside_its_range_is_refused(density: float):
    """0 is no network, and more than all cannot be kept."""
    with pytest.raises(TicketError, match="is outside"):
        kept_count(density, 100)


def test_layerwise_shares_by_size_and_gives_the_rest_to_the_largest_remainders():
    """10 of (6, 6, 2): 4.29, 4.29, 1.43 become 4, 4 and, with the largest remainder, 2."""
    assert allocate("layerwise", {"a": (2, 3), "b": (3, 2), "c": (1, 2)}, 10) == {"a": 4, "b": 4, "c": 2}


def test_equal_remainders_go_to_the_first_layer():
    """4 of (3, 3, 3): one and a third each, and the one that is left goes to the first."""
    assert allocate("layerwise", {"a": (3, 1), "b": (3, 1), "c": (3, 1)}, 4) == {"a": 2, "b": 1, "c": 1}


def test_layerwise_at_one_density_is_exact_in_every_layer():
    """A fifth of 300-100: 47040, 6000 and 200."""
    assert allocate("layerwise", LENET, 53_240) == {"first": 47_040, "second": 6_000, "third": 200}


def test_erk_follows_the_sum_of_the_dimensions():
    """ε · (1084, 400, 110) without a dense layer: 1594 weights at ε = 1."""
    assert allocate("erk", LENET, 1_594) == {"first": 1_084, "second": 400, "third": 110}


def test_erk_solves_again_when_a_layer_is_full():
    """At 15,840 weights the third would get 1093 and has 1000: it is dense, and ε = 10 for the other two."""
    assert allocate("erk", LENET, 15_840) == {"first": 10_840, "second": 4_000, "third": 1_000}


def test_erk_counts_the_kernel():
    """Σ dims of a (4, 2, 3, 3) kernel is 12, of a (2, 4) matrix 6: 9 weights are shared 6 to 3."""
    assert allocate("erk", {"conv": (4, 2, 3, 3), "linear": (2, 4)}, 9) == {"conv": 6, "linear": 3}


def test_er_does_not_count_the_kernel():
    """Densities (2 + 4)/8 : (5 + 5)/25 of a (4, 2, 3, 3) kernel and a (5, 5) matrix: 54 to 10 weights."""
    layers = {"conv": (4, 2, 3, 3), "linear": (5, 5)}
    assert allocate("er", layers, 64) == {"conv": 54, "linear": 10}
    assert allocate("erk", layers, 44) == {"conv": 24, "linear": 20}


def test_er_and_erk_are_the_same_for_matrices():
    """No kernel, no difference."""
    for kept in (1_594, 15_840, 200_000):
        assert allocate("er", LENET, kept) == allocate("erk", LENET, kept)


def test_er_solves_again_when_a_layer_is_full():
    """85 weights: 54 : 10 would be 71.7 and 13.3; at 90 the kernel's 72 are full, and the matrix takes 18."""
    layers = {"conv": (4, 2, 3, 3), "linear": (5, 5)}
    assert allocate("er", layers, 85) == {"conv": 72, "linear": 13}
    assert allocate("er", layers, 90) == {"conv": 72, "linear": 18}


def test_a_number_for_each_layer_is_its_part():
    """3 : 1 : 0 of 10 is 7.5 and 2.5, of which the first of equal remainders is rounded up; then with 5 places only."""
    shapes = {"a": (4, 5), "b": (4, 5), "c": (4, 5)}
    parts = {"a": 0.75, "b": 0.25, "c": 0.0}
    assert allocate(parts, shapes, 10) == {"a": 8, "b": 2, "c": 0}
    assert allocate(parts, shapes, 10, {"a": 5, "b": 20, "c": 20}) == {"a": 5, "b": 5, "c": 0}
    assert allocate(parts, shapes, 10, {"a": 5, "b": 2, "c": 20}) == {"a": 5, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("parts", "found"), [({"a": 1.0, "b": math.nan}, "nan"), ({"a": 1.0, "b": -2.0}, "-2"), ({"a": 1.0}, "missing")]
)
def test_a_part_that_is_no_part_is_named(parts, found: str):
    """A number that is not finite, a negative one, and a layer left out."""
    with pytest.raises(TicketError, match=f"the part of 'b' is {found}: each layer needs a finite number, 0 or more"):
        allocate(parts, {"a": (4,), "b": (4,)}, 2)


def kernel_free(shape: tuple[int, ...]) -> float:
    """The number of weights at density (n_in + n_out)/(n_in · n_out)."""
    return math.prod(shape) * (1 / shape[0] + 1 / shape[1])


def water_level(shapes: dict[str, tuple[int, ...]], kept: int, part=sum) -> dict[str, float]:
    """min(size, ε · part) with ε found by bisection, so that the sum is `kept`; the part of ERK is Σ dims."""
    low, high = 0.0, float(max(math.prod(shape) for shape in shapes.values()))
    for _ in range(200):
        epsilon = (low + high) / 2
        total = sum(min(math.prod(shape), epsilon * part(shape)) for shape in shapes.values())
        low, high = (epsilon, high) if total < kept else (low, epsilon)
    return {name: min(math.prod(shape), high * part(shape)) for name, shape in shapes.items()}


@settings(deadline=None)
@given(SHAPES, st.sampled_from([("erk", sum), ("er", kernel_free)]), st.data())
def test_erk_and_er_equal_the_level_found_by_bisection(shapes, scope, data):
    """No layer is further than one weight from its exact share, and those with larger remainders come first."""
    layers, (name_of, part) = named(shapes), scope
    kept = data.draw(st.integers(0, sum(math.prod(shape) for shape in shapes)))
    exact, found = water_level(layers, kept, part), allocate(name_of, layers, kept)
    assert sum(found.values()) == kept
    assert all(abs(found[name] - exact[name]) < 1 + 1e-6 for name in layers)
    up = [exact[name] - math.floor(exact[name] + 1e-6) for name in layers if found[name] > exact[name] + 1e-6]
    down = [exact[name] - math.floor(exact[name] + 1e-6) for name in layers if found[name] < exact[name] - 1e-6]
    assert not up or not down or min(up) >= max(down) - 1e-6


def test_uniform_leaves_the_first_layer_dense():
    """12 of (8, 12, 4): the first 8 are kept, and a quarter of the others: 3 and 1."""
    assert allocate("uniform", {"a": (2, 4), "b": (3, 4), "c": (2, 2)}, 12) == {"a": 8, "b": 3, "c": 1}


def test_uniform_without_room_for_the_first_layer_is_layerwise():
    """6 of (8, 12, 4) is a quarter of everything: 2, 3 and 1."""
    assert allocate("uniform", {"a": (2, 4), "b": (3, 4), "c": (2, 2)}, 6) == {"a": 2, "b": 3, "c": 1}


@settings(deadline=None)
@given(SHAPES, st.sampled_from(["layerwise", "erk", "er", "uniform"]), st.data())
def test_shares_add_up_exactly_and_stay_within_their_layers(shapes, scope, data):
    """Any number of any layers can be shared out, to the weight."""
    layers = named(shapes)
    kept = data.draw(st.integers(0, sum(math.prod(shape) for shape in shapes)))
    found = allocate(scope, layers, kept)
    assert list(found) == list(layers)
    assert sum(found.values()) == kept
    assert all(0 <= found[name] <= math.prod(shape) for name, shape in layers.items())


@settings(deadline=None)
@given(SHAPES, st.data())
def test_layerwise_is_the_largest_remainder_method(shapes, data):
    """Exact fractions: everyone gets the whole part, the largest remainders (the first of equals) one more."""
    layers = named(shapes)
    sizes = {name: math.prod(shape) for name, shape in layers.items()}
    kept = data.draw(st.integers(0, sum(sizes.values())))
    exact = {name: Fraction(kept * size, sum(sizes.values())) for name, size in sizes.items()}
    counts = {name: math.floor(share) for name, share in exact.items()}
    order = sorted(layers, key=lambda name: counts[name] - exact[name])
    for name in order[: kept - sum(counts.values())]:
        counts[name] += 1
    assert allocate("layerwise", layers, kept) == counts


def test_more_than_there_is_cannot_be_shared():
    """25 of 24 weights, and fewer than none."""
    for kept in (25, -1):
        with pytest.raises(TicketError, match=f"cannot keep {kept} weights: 24 are left of 24"):
            allocate("layerwise", {"a": (24,)}, kept)


def test_an_unknown_scope_is_named():
    """A misspelt scope is answered with the nearest one."""
    with pytest.raises(OptionError, match="Did you mean 'layerwise'"):
        allocate("layerwize", LENET, 10)
