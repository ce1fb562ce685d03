"""Glorot's and He's initializations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ticketbench import OptionError
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


def test_eight_initializers_on_every_layer_of_300_100():
    """Xavier U(±√(6/(in+out))) and N(√(2/(in+out))), Kaiming U(±√(3/in)) and N(√(1/in)), Xavier halved and doubled.

    √2 in place of Kaiming's gain of 1, or a gain taken as a factor on the variance, is off by 41 %.
    """
    xavier, kaiming = {"first": 1084, "second": 400, "third": 110}, {"first": 784, "second": 300, "third": 100}
    for layer, (inputs, outputs) in LAYERS.items():
        cases = [
            (Glorot(distribution="uniform", gain=1.0), math.sqrt(6 / xavier[layer])),
            (Glorot(distribution="uniform", gain=0.5), 0.5 * math.sqrt(6 / xavier[layer])),
            (Glorot(distribution="uniform", gain=2.0), 2 * math.sqrt(6 / xavier[layer])),
            (He(distribution="uniform", gain=1.0), math.sqrt(3 / kaiming[layer])),
            (Glorot(distribution="normal", gain=1.0), math.sqrt(2 / xavier[layer])),
            (Glorot(distribution="normal", gain=0.5), 0.5 * math.sqrt(2 / xavier[layer])),
            (Glorot(distribution="normal", gain=2.0), 2 * math.sqrt(2 / xavier[layer])),
            (He(distribution="normal", gain=1.0), math.sqrt(1 / kaiming[layer])),
        ]
        for initializer, expected in cases:
            if initializer.distribution == "uniform":
                weight = drawn(initializer, nn.Linear(inputs, outputs)).weight.detach()
                assert 0.985 * expected < float(weight.abs().max()) <= expected * (1 + 1e-6)
            else:  # as many draws for the small layer as for the others
                draws = [drawn(initializer, nn.Linear(inputs, outputs), seed).weight.detach() for seed in range(20)]
                assert float(torch.stack(draws).double().std()) == pytest.approx(expected, rel=0.02)


def test_the_default_gain_of_he_is_the_papers_root_of_two_and_that_of_glorot_one():
    """Var θ = 2 / fan_in for ReLU; the linear variant has to be asked for."""
    assert He().std(8, 2) == pytest.approx(0.5)  # √(2/8)
    assert He(gain=1.0).std(4, 2) == pytest.approx(0.5)  # √(1/4)
    assert Glorot().std(5, 3) == pytest.approx(0.5)  # √(2/8)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [(Glorot(), 2 / 630), (He(), 2 / 270), (He(gain=1.0), 1 / 270), (Glorot(gain=2.0), 8 / 630)],
)
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_a_convolution_has_the_fans_of_its_kernel(initializer: Scaled, variance: float, distribution: str):
    """(40, 30, 3, 3): 270 inputs and 360 outputs a unit."""
    weight = drawn(replace(initializer, distribution=distribution), nn.Conv2d(30, 40, 3)).weight.detach().double()
    assert float(weight.var()) == pytest.approx(variance, rel=0.05)
    if distribution == "uniform":
        assert 0.999 * math.sqrt(3 * variance) < float(weight.abs().max()) <= math.sqrt(3 * variance) * (1 + 1e-6)


@pytest.mark.parametrize("make", [Glorot, He])
def test_biases_are_zero_standard_normal_or_as_built(make):
    """Three ways, linear and convolution alike; N(0, 1) whatever the gain is."""
    for layer in (lambda: nn.Linear(2, 20_000), lambda: nn.Conv1d(1, 20_000, 1)):
        built = layer()
        before = built.bias.detach().clone()
        assert drawn(make(biases="default", gain=3.0), built).bias.equal(before)
        assert int(drawn(make(gain=3.0), layer()).bias.count_nonzero()) == 0
        assert int(drawn(make(biases="zeros"), layer()).bias.count_nonzero()) == 0
        bias = drawn(make(biases="normal", gain=3.0), layer()).bias.detach().double()
        assert abs(float(bias.mean())) < 4 / math.sqrt(20_000)
        assert float(bias.var()) == pytest.approx(1.0, rel=0.04)
        assert float(bias.pow(4).mean()) == pytest.approx(3.0, rel=0.1)


def test_normal_biases_are_torchs_normal():
    """The very numbers `nn.init.normal_` draws from the same generator, after the same weights."""
    source = torch.Generator().manual_seed(3)
    weight, bias = torch.empty(4, 5), torch.empty(4)
    nn.init.xavier_uniform_(weight, generator=source)
    nn.init.normal_(bias, generator=source)
    module = drawn(Glorot(biases="normal"), nn.Linear(5, 4), seed=3)
    torch.testing.assert_close(module.weight.detach(), weight)
    assert module.bias.detach().equal(bias)


def test_the_weights_of_a_seed_do_not_depend_on_the_biases():
    """Two layers: what the biases of the first draw does not shift the weights of the second."""
    zeros, normal = (
        drawn(He(biases=biases), nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))) for biases in ("zeros", "normal")
    )
    assert zeros[0].weight.equal(normal[0].weight)
    assert zeros[1].weight.equal(normal[1].weight)
    assert not normal[0].bias[:3].equal(normal[1].bias)


def test_initializers_are_torchs_own():
    """The same numbers as `torch.nn.init` from the same generator, the linear nonlinearity giving gain 1."""
    cases = {
        Glorot(gain=2.0): lambda weight, source: nn.init.xavier_uniform_(weight, 2.0, generator=source),
        Glorot("normal"): lambda weight, source: nn.init.xavier_normal_(weight, generator=source),
        He(): lambda weight, source: nn.init.kaiming_uniform_(weight, generator=source),
        He(gain=1.0): lambda weight, source: nn.init.kaiming_uniform_(weight, nonlinearity="linear", generator=source),
        He("normal", gain=1.0): lambda weight, source: nn.init.kaiming_normal_(
            weight, nonlinearity="linear", generator=source
        ),
    }
    for initializer, reference in cases.items():
        module = drawn(initializer, nn.Conv2d(3, 4, 3), seed=7)
        expected = reference(torch.empty(4, 3, 3, 3), torch.Generator().manual_seed(7))
        torch.testing.assert_close(module.weight.detach(), expected)


def test_scales_of_norms_stay_as_built():
    """A batch norm's weight is no weight to draw; its bias is a bias."""
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        module[1].weight.fill_(1.5)
        module[1].bias.fill_(0.5)
    drawn(Glorot(), module)
    assert module[1].weight.tolist() == [1.5] * 4
    assert module[1].bias.tolist() == [0.0] * 4


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("make", [Glorot, He])
def test_draws_belong_to_the_generator(make, distribution: str):
    """The same generator draws the same numbers, another one others; the global generator is neither read nor moved."""
    initializer = make(distribution=distribution, biases="normal")
    found = []
    for seed, elsewhere in ((1, 10), (1, 11), (2, 10)):
        module = nn.Linear(5, 4)
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        drawn(initializer, module, seed)
        assert torch.get_rng_state().equal(before)
        found.append(torch.cat([module.weight.detach().flatten(), module.bias.detach()]))
    one, same, other = found
    assert one.equal(same)
    assert not one.equal(other)


def test_a_cell_starts_from_these_weights(tiny_suite, cells_of, trial_of):
    """Named in a suite, with its options, the initializer draws every member its own weights."""
    path = tiny_suite(
        ('"default"', '{ name = "glorot", distribution = "normal", gain = 3.0 }'),
        ("hidden = [8]", "hidden = [900]"),
        ('["dense", "magnitude"]', '["dense"]'),
    )
    _, cells = cells_of(path)
    first, second = (trial_of(cell).parameters for cell in cells)
    assert float(first["1.weight"].std()) == pytest.approx(3 * math.sqrt(2 / 906), rel=0.05)
    assert int(torch.count_nonzero(first["1.bias"])) == 0
    assert not first["1.weight"].equal(second["1.weight"])


def test_a_suite_names_the_biases(tiny_suite, cells_of, trial_of):
    """`biases = "normal"` reaches the network; a word that is none of the three is refused with the three."""
    path = tiny_suite(('"default"', '{ name = "he", gain = 1.0, biases = "normal" }'), ("[8]", "[2000]"))
    _, cells = cells_of(path)
    bias = trial_of(cells[0]).parameters["1.bias"]
    assert float(bias.std()) == pytest.approx(1.0, rel=0.1)
    with pytest.raises(OptionError, match=r"cannot be 'ones'\. It takes 'zeros' or 'normal' or 'default'"):
        cells_of(tiny_suite(('"default"', '{ name = "he", biases = "ones" }')))
