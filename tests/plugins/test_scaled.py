"""Glorot's and He's initializations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ticketbench_initializers.scaled import Glorot, He, Scaled, fans

LAYERS = {"first": (784, 300), "second": (300, 100), "third": (100, 10)}


def drawn(initializer: Scaled, module: nn.Module, seed: int = 0) -> nn.Module:
    """The module after initialization."""
    with torch.no_grad():
        initializer.initialize(module, {}, torch.Generator().manual_seed(seed))
    return module


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((300, 784), (784, 300)), ((16, 6, 5), (30, 80)), ((16, 6, 5, 5), (150, 400)), ((4, 2, 3, 1), (6, 12))],
)
def test_fans_include_the_kernel(shape: tuple[int, ...], expected: tuple[int, int]):
    """(outputs, inputs, *kernel) -> (inputs, outputs), each times the kernel."""
    assert fans(torch.Size(shape)) == expected


@pytest.mark.parametrize(
    ("initializer", "bounds"),
    [
        (Glorot(), [0.0744, 0.1225, 0.2335]),  # √(6 / (in + out))
        (He(gain=1.0), [0.0619, 0.1, 0.1732]),  # √(3 / in)
        (He(), [0.0875, 0.1414, 0.2449]),  # √(6 / in)
        (Glorot(gain=2.0), [0.1488, 0.2449, 0.4671]),
    ],
)
def test_uniform_bounds_of_300_100_by_hand(initializer: Scaled, bounds: list[float]):
    """No weight lies outside the bound, and of so many some come close to it."""
    for (inputs, outputs), bound in zip(LAYERS.values(), bounds, strict=True):
        weight = drawn(initializer, nn.Linear(inputs, outputs)).weight
        largest = float(weight.detach().abs().max())
        assert largest <= bound + 6e-5  # the bounds are rounded to four places
        assert largest > 0.985 * bound


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(
    ("make", "std"),
    [
        (Glorot, math.sqrt(2 / 1000)),
        (He, math.sqrt(2 / 600)),
        (lambda **options: He(gain=1.0, **options), math.sqrt(1 / 600)),
        (lambda **options: Glorot(gain=0.5, **options), 0.5 * math.sqrt(2 / 1000)),
    ],
)
def test_moments_of_a_large_draw(make, std: float, distribution: str):
    """240,000 weights of a 600 -> 400 layer: mean 0, the formula's deviation, and the distribution's kurtosis."""
    weight = drawn(make(distribution=distribution), nn.Linear(600, 400)).weight.detach().double()
    assert abs(float(weight.mean())) < 4 * std / math.sqrt(240_000)
    assert float(weight.std()) == pytest.approx(std, rel=0.006)
    kurtosis = float((weight / std).pow(4).mean())
    assert kurtosis == pytest.approx(3.0 if distribution == "normal" else 1.8, rel=0.03)


def test_a_convolution_has_the_fans_of_its_kernel():
    """(40, 30, 3, 3): 270 inputs and 360 outputs a unit."""
    weight = drawn(Glorot(), nn.Conv2d(30, 40, 3)).weight.detach()
    bound = math.sqrt(6 / 630)
    assert 0.999 * bound < float(weight.abs().max()) <= bound


def test_biases_are_zero_unless_asked_otherwise():
    """`biases = "default"` leaves them as built."""
    for biases in ("zeros", "default"):
        module = nn.Linear(5, 4)
        before = module.bias.detach().clone()
        drawn(He(biases=biases), module)
        assert module.bias.detach().equal(torch.zeros(4) if biases == "zeros" else before)


def test_scales_of_norms_stay_as_built():
    """A batch norm's weight is no weight to draw; its bias is a bias."""
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        module[1].weight.fill_(1.5)
        module[1].bias.fill_(0.5)
    drawn(Glorot(), module)
    assert module[1].weight.tolist() == [1.5] * 4
    assert module[1].bias.tolist() == [0.0] * 4


def test_draws_belong_to_the_generator():
    """The same generator draws the same weights, another one others; the global generator is not used."""
    one, same, other = (drawn(He(), nn.Linear(5, 4), seed).weight for seed in (1, 1, 2))
    assert one.equal(same)
    assert not one.equal(other)


def test_a_cell_starts_from_these_weights(tiny_suite, cells_of, trial_of):
    """Named in a suite, with its options, the initializer draws every member its own weights."""
    path = tiny_suite(
        ('"default"', '{ name = "glorot", distribution = "normal", gain = 3.0 }'), ("hidden = [8]", "hidden = [900]"),
        ('["dense", "magnitude"]', '["dense"]'),
    )  # fmt: skip
    _, cells = cells_of(path)
    first, second = (trial_of(cell).parameters for cell in cells)
    assert float(first["1.weight"].std()) == pytest.approx(3 * math.sqrt(2 / 906), rel=0.05)
    assert int(torch.count_nonzero(first["1.bias"])) == 0
    assert not first["1.weight"].equal(second["1.weight"])
