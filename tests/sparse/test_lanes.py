"""The functions of sixteen lanes: as exact as they say, and the same bits however they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from machines import needs_machine, single_ways

from ticketbench.sparse.library import machine

pytestmark = needs_machine

EXP, TANH, SIGMOID, SUM, SUMS = range(5)
FUNCTIONS = {EXP: np.exp, TANH: np.tanh, SIGMOID: lambda a: 1 / (1 + np.exp(-a))}
INSIDE = {EXP: (-87.0, 88.0), TANH: (-np.inf, np.inf), SIGMOID: (-87.0, np.inf)}
"""Where the bound on errors holds; further out, exponentials stay what they are at the ends."""
ULPS = {EXP: 0.9, TANH: 4.9, SIGMOID: 2.1}
"""The largest error, in units of the last place of the exact result."""
SPECIAL = [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-38, -1e-38, 88, 89, -87, -88, -104, 3.4e38, -3.4e38]


def computed(way: str, what: int, numbers: np.ndarray, rows: int = 1) -> np.ndarray:
    """A function on so many rows of sixteen numbers at a time."""
    used = machine(way)
    given = np.ascontiguousarray(numbers, np.float64 if used.double else np.float32).reshape(-1, 16 * rows)
    found = np.empty((len(given), 16), given.dtype)
    for one, out in zip(given, found, strict=True):
        used.lanes(what, one.ctypes.data, out.ctypes.data)
    return found


def everywhere() -> np.ndarray:
    """Numbers of every size, many where networks live, and around 0.3, where tanh changes its formula."""
    some = np.random.default_rng(5).integers(0, 2**32, 1 << 14, dtype=np.uint64).astype(np.uint32).view(np.float32)
    lines = [np.linspace(low, high, 1 << 13, dtype=np.float32) for low, high in ((-110, 110), (-2, 2), (0.299, 0.301))]
    return np.concatenate([some, *lines, -lines[-1], np.array(SPECIAL, np.float32)])


@pytest.mark.parametrize("what", FUNCTIONS, ids=("exp", "tanh", "sigmoid"))
def test_functions_are_exact_to_a_few_units_of_the_last_place(what: int):
    """Against double precision."""
    numbers = everywhere()
    low, high = INSIDE[what]
    numbers = numbers[(numbers >= low) & (numbers <= high)]
    numbers = numbers[: len(numbers) // 16 * 16]
    exact = FUNCTIONS[what](numbers.astype(np.float64))
    units = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    errors = np.abs(computed("", what, numbers).reshape(-1) - exact) / units
    assert errors.max() <= ULPS[what], numbers[errors.argmax()]


@pytest.mark.parametrize("what", FUNCTIONS, ids=("exp", "tanh", "sigmoid"))
def test_every_way_gives_the_same_bits(what: int):
    """From the smallest numbers to infinities."""
    first, *others = (computed(way, what, everywhere()) for way in single_ways())
    numbers = ~np.isnan(first)
    for other in others:
        assert np.array_equal(other.view(np.uint32)[numbers], first.view(np.uint32)[numbers])
        assert np.isnan(other[~numbers]).all()


def test_far_out_and_no_number():
    """Exponentials end at e^-87 and e^88, so that no result but NaN is infinite or no number."""
    for way in single_ways():
        exp, tanh, sigmoid = (dict(zip(SPECIAL, computed(way, what, SPECIAL)[0], strict=True)) for what in FUNCTIONS)
        assert exp[np.inf] == exp[89] == exp[88] == pytest.approx(np.exp(88), rel=2e-7)
        assert exp[-np.inf] == exp[-88] == exp[-87] == pytest.approx(np.exp(-87), rel=2e-7)
        assert (exp[0], tanh[0], sigmoid[0]) == (1, 0, 0.5)
        assert (tanh[np.inf], tanh[-np.inf], sigmoid[np.inf]) == (1, -1, 1)
        assert 0 < sigmoid[-np.inf] < 1e-38
        assert (tanh[1e-45], tanh[-1e-45]) == (np.float32(1e-45), np.float32(-1e-45))
        assert np.isnan([exp[np.nan], tanh[np.nan], sigmoid[np.nan]]).all()


def test_tanh_does_not_step_back_where_its_formula_changes():
    """By more than the errors of both."""
    around = np.linspace(0.2999, 0.3001, 1 << 12, dtype=np.float32)
    found = computed("", TANH, around).reshape(-1)
    assert (np.diff(found) >= -4 * np.spacing(np.float32(0.29))).all()


FLOATS = arrays(np.float32, 256, elements=st.floats(-(2.0**100), 2.0**100, width=32))


def halved(numbers: np.ndarray) -> np.ndarray:
    """The sums of rows of sixteen, halves to halves."""
    while numbers.shape[-1] > 1:
        middle = numbers.shape[-1] // 2
        numbers = numbers[..., :middle] + numbers[..., middle:]
    return numbers[..., 0]


@given(FLOATS)
def test_sums_add_halves(numbers: np.ndarray):
    """One row, or sixteen at a time: the same order, which is written down."""
    rows = numbers.reshape(16, 16)
    for way in single_ways():
        assert np.array_equal(computed(way, SUM, rows), np.repeat(halved(rows)[:, None], 16, axis=1))
        assert np.array_equal(computed(way, SUMS, rows, rows=16)[0], halved(rows))
    exact = rows.astype(np.float64)
    assert np.array_equal(computed("twin", SUMS, exact, rows=16)[0], halved(exact))


def test_the_twin_is_in_double_precision():
    """Its functions are those of the C library."""
    numbers = np.linspace(-30, 30, 160)
    for what, exact in FUNCTIONS.items():
        assert computed("twin", what, numbers).reshape(-1) == pytest.approx(exact(numbers), rel=1e-15)
