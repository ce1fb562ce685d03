"""Correlations of a fleet: the twin against torch's convolutions, the kernels against the twin."""

from __future__ import annotations

import pytest
import torch
from correlations import correlated, correlated_in_place, draw, gradient_of_taps, plain_gradient, plainly
from torch import Tensor

from ticketbench.kernels.correlation import correlate, room, string_rows, taps_gradient

SPACES = ((1,), (2,), (7,), (1, 1), (3, 5), (1, 4))
EXTRAS = {
    "nothing": (0, 0, 0),
    "a ReLU": (0, 0, 1),
    "a sum": (1, 0, 1),
    "a gate": (0, 1, 0),
    "a sum and a gate": (1, 1, 0),
}


def case(space: tuple[int, ...], extras: str, dtype: torch.dtype, sizes=(2, 3, 5, 7)) -> tuple[Tensor, ...]:
    """Inputs, taps, and what comes after; of members, batch, channels in and out."""
    members, batch, channels, outputs = sizes
    added, gate, relu = EXTRAS[extras]
    results = (members, batch, *space, outputs)
    return (
        draw(members, batch, *space, channels, seed=1, dtype=dtype),
        draw(members, outputs, *[3] * len(space), channels, seed=2, dtype=dtype),
        draw(*results, seed=3, dtype=dtype) if added else None,
        draw(*results, seed=4, dtype=dtype).relu() if gate else None,
        bool(relu),
    )


def nearly(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Equal to a share of the largest number."""
    scale = max(float(expected.abs().max()), 1.0)
    torch.testing.assert_close(found.double(), expected.double(), rtol=0, atol=tolerance * scale)


def test_a_correlation_by_hand():
    """Strings 1 2 3 and 4 5 6 of two members, with taps (1, 10, 100) and (2, 0, 0)."""
    inputs, taps = room(torch.zeros(2, 1, 3, 1), 1), torch.tensor([[1.0, 10.0, 100.0], [2.0, 0.0, 0.0]])
    inputs.copy_(torch.arange(1.0, 7.0).view(2, 1, 3, 1))
    found = correlate(inputs, taps.view(2, 1, 3, 1))
    assert found[:, 0, :, 0].tolist() == [[210.0, 321.0, 32.0], [0.0, 8.0, 10.0]]


@pytest.mark.parametrize("extras", EXTRAS)
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_twin_is_torchs_convolution_and_what_comes_after(space: tuple[int, ...], extras: str):
    """In fp64, with neighbours in memory that must not be seen."""
    given = case(space, extras, torch.float64)
    nearly(correlated(*given), plainly(*given), 1e-12)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_result_may_be_written_over_what_is_added(space: tuple[int, ...]):
    """The residual of a block needs no third place."""
    inputs, taps, added, _, _ = case(space, "a sum", torch.float64)
    nearly(correlated_in_place(inputs, taps, added), plainly(inputs, taps, added, None, True), 1e-12)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_gradient_of_taps_is_that_of_autograd(space: tuple[int, ...]):
    """And it is added to what is there."""
    inputs, taps, gradients, _, _ = case(space, "a sum", torch.float64)
    nearly(gradient_of_taps(inputs, gradients, taps), plain_gradient(inputs, gradients, taps), 1e-12)


@pytest.mark.parametrize("extras", EXTRAS)
def test_rows_between_strings_stay_zero(extras: str):
    """Of every result, so that it can be the input of the next correlation."""
    inputs, taps, added, gate, relu = case((4,), extras, torch.float64)
    rooms = [None if part is None else room(part, 3).copy_(part) for part in (inputs, added, gate)]
    rows = string_rows(correlate(rooms[0], taps, *rooms[1:], relu=relu))
    assert not rows[:, 4::5].any()
    assert bool(rows.any())


def test_what_is_not_finite_stays_so():
    """A member that diverged is seen to; no other is touched."""
    inputs, taps, *_ = case((4,), "nothing", torch.float32)
    inputs[0, 0, 1, 0] = float("nan")
    found = correlated(inputs, taps, None, None, True)
    assert bool(found[0].isnan().any())
    assert bool(found[1].isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("sizes", [(2, 3, 5, 7), (1, 2, 70, 33)], ids=str)
@pytest.mark.parametrize("space", [(7,), (3, 5)], ids=str)
def test_the_kernels_equal_the_twin(interpreted, space: tuple[int, ...], sizes, dtype: torch.dtype):
    """At sizes that fill no tile, with everything that may come after; sums are fp32."""
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    for extras in ("a ReLU", "a sum and a gate"):
        given = case(space, extras, dtype, sizes)
        found, _ = interpreted(correlated, *given)
        assert found.dtype == dtype
        nearly(found, plainly(*given), tolerance)
    inputs, taps, added, _, _ = case(space, "a sum", dtype, sizes)
    found, _ = interpreted(correlated_in_place, inputs, taps, added)
    nearly(found, plainly(inputs, taps, added, None, True), tolerance)
    found, _ = interpreted(gradient_of_taps, inputs, added, taps.float())
    nearly(found, plain_gradient(inputs, added, taps.float()), 1e-5)


def test_a_gradient_over_many_rows_is_shared_out(interpreted):
    """Among programs whose parts are added up."""
    inputs, gradients = draw(1, 600, 7, 2, seed=1), draw(1, 600, 7, 3, seed=2)
    found, _ = interpreted(gradient_of_taps, inputs, gradients, torch.zeros(1, 3, 3, 2))
    nearly(found, plain_gradient(inputs, gradients, torch.zeros(1, 3, 3, 2)), 1e-5)


def test_what_does_not_fit_is_named():
    """Shapes, types, and memory that is not laid out as a room."""
    inputs, taps = room(torch.zeros(2, 1, 4, 5), 3).zero_(), torch.zeros(2, 7, 3, 5)
    with pytest.raises(ValueError, match=r"not of shape \(4, 5\)"):
        correlate(torch.zeros(4, 5), taps)
    with pytest.raises(ValueError, match=r"need taps \(F, O, 3, C\) = \(2, 7, 3, 5\), not \(2, 7, 3, 4\)"):
        correlate(inputs, taps[..., :4])
    with pytest.raises(ValueError, match=r"inputs are torch.float32 and taps are torch.float64"):
        correlate(inputs, taps.double())
    with pytest.raises(ValueError, match=r"'added' has the shape \(2, 3, 4, 5\), where \(2, 3, 4, 7\) fits"):
        correlate(inputs, taps, inputs)
    with pytest.raises(ValueError, match=r"'gradients' is torch.float64"):
        taps_gradient(inputs, torch.zeros(2, 3, 4, 7).double(), taps)
    with pytest.raises(ValueError, match=r"'inputs' must lie as `room` lays it out"):
        correlate(torch.zeros(2, 3, 4, 5), taps)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("sizes", [(2, 3, 5, 7), (3, 40, 200, 130)], ids=str)
@pytest.mark.parametrize("space", [(33,), (7, 9)], ids=str)
def test_the_compiled_kernels_equal_torch_in_fp64(space: tuple[int, ...], sizes, dtype: torch.dtype):
    """On a GPU, at sizes within a tile and beyond several."""
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    for extras in ("a ReLU", "a sum and a gate"):
        given = [part.cuda() if isinstance(part, Tensor) else part for part in case(space, extras, dtype, sizes)]
        nearly(correlated(*given), plainly(*given), tolerance)
    inputs, taps, added, *_ = (part.cuda() for part in case(space, "a sum", dtype, sizes)[:3])
    found = gradient_of_taps(inputs, added, taps.float())
    nearly(found, plain_gradient(inputs, added, taps.float()), 1e-5)
