"""Initializers with one distribution for all weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ticketbench import OptionError, Shapes
from ticketbench_initializers.spread import Chosen, Normal, Uniform
from ticketbench_models.recurrent import GRU, Peephole

ROWS = Shapes((28, 28), 10)


def drawn(initializer: Chosen, module: nn.Module, seed: int = 0, *prunable: str) -> nn.Module:
    """The module after initialization; the named weights may be pruned."""
    own = dict(module.named_parameters())
    mask = {name: torch.ones_like(own[name], dtype=torch.bool) for name in prunable}
    with torch.no_grad():
        initializer.initialize(module, mask, torch.Generator().manual_seed(seed))
    return module


def test_the_papers_spreads_are_the_defaults():
    """N(0, 0.1) with 0.1 the standard deviation, and U(0, 0.1), of 240,000 weights whatever their fans are."""
    weight = drawn(Normal(), nn.Linear(600, 400)).weight.detach().double()
    assert abs(float(weight.mean())) < 4 * 0.1 / math.sqrt(240_000)
    assert float(weight.std()) == pytest.approx(0.1, rel=0.006)
    assert float((weight / 0.1).pow(4).mean()) == pytest.approx(3.0, rel=0.03)
    weight = drawn(Uniform(), nn.Linear(600, 400)).weight.detach().double()
    assert 0 <= float(weight.min()) < 1e-5
    assert 0.1 - 1e-5 < float(weight.max()) <= 0.1
    assert float(weight.mean()) == pytest.approx(0.05, rel=0.005)
    assert float(weight.var()) == pytest.approx(0.01 / 12, rel=0.01)


def test_the_options_of_table_six():
    """N(0, 1), and any bounds; the numbers are torch's own from the same generator."""
    source = torch.Generator().manual_seed(3)
    expected = [torch.randn(30, 50, generator=source), torch.rand(30, 50, generator=source)]
    assert drawn(Normal(std=1.0), nn.Linear(50, 30), 3).weight.detach().equal(expected[0])
    both = nn.Sequential(nn.Linear(50, 30), nn.Linear(50, 30))
    found = drawn(Uniform(low=-2.0, high=1.0), both, 3)[0].weight.detach()
    source = torch.Generator().manual_seed(3)
    torch.testing.assert_close(found, 3 * torch.rand(30, 50, generator=source) - 2, rtol=1e-5, atol=1e-6)


def test_a_recurrent_layer_is_drawn_and_its_read_out_is_not():
    """weights = "prunable": the layer N(0, 0.1) with zero biases, Xavier's read-out as it was built."""
    model = GRU(hidden=100)
    torch.manual_seed(1)
    module = model.build(ROWS)
    nn.init.ones_(module.read_out.bias)
    read_out = module.read_out.weight.detach().clone()
    drawn(Normal(weights="prunable"), module, 0, *model.prunable(module))
    assert float(module.from_hidden.detach().std()) == pytest.approx(0.1, rel=0.02)
    assert float(module.from_input.detach().std()) == pytest.approx(0.1, rel=0.03)
    assert not bool(module.bias.any())
    assert module.read_out.weight.detach().equal(read_out)
    assert module.read_out.bias.tolist() == [1.0] * 10
    drawn(Normal(), module, 0, *model.prunable(module))
    assert float(module.read_out.weight.detach().std()) == pytest.approx(0.1, rel=0.1)
    assert not bool(module.read_out.bias.any())


def test_biases_are_zero_alike_or_as_built():
    """They come after the weights, which do not depend on them."""
    found = {}
    for biases in ("zeros", "alike", "default"):
        module = nn.Linear(3, 20_000)
        nn.init.constant_(module.bias, 7.0)
        found[biases] = drawn(Uniform(biases=biases), module, 2)
    assert found["zeros"].bias.tolist() == [0.0] * 20_000
    assert found["default"].bias.tolist() == [7.0] * 20_000
    alike = found["alike"].bias.detach()
    assert 0 <= float(alike.min()) < float(alike.max()) <= 0.1
    assert float(alike.mean()) == pytest.approx(0.05, rel=0.02)
    assert found["zeros"].weight.equal(found["alike"].weight)
    assert found["zeros"].weight.equal(found["default"].weight)


def test_frozen_weights_and_scales_stay():
    """An embedding that is not trained, and the scale of a norm."""
    module = nn.Sequential(nn.Linear(4, 4), nn.Embedding(5, 4), nn.LayerNorm(4))
    module[1].weight.requires_grad_(False)
    frozen = module[1].weight.clone()
    drawn(Normal(biases="alike"), module)
    assert module[1].weight.equal(frozen)
    assert module[2].weight.tolist() == [1.0] * 4
    assert bool(module[2].bias.all())


@pytest.mark.parametrize("initializer", [Normal(biases="alike"), Uniform(biases="alike")])
def test_draws_belong_to_the_generator(initializer: Chosen):
    """The same generator draws the same numbers, another one others; the global generator is neither read nor moved."""
    found = []
    for seed, elsewhere in ((1, 10), (1, 11), (2, 10)):
        module = Peephole(hidden=4).build(Shapes((2, 3), 2))
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        drawn(initializer, module, seed)
        assert torch.get_rng_state().equal(before)
        found.append(torch.cat([part.detach().flatten() for part in module.parameters()]))
    one, same, other = found
    assert one.equal(same)
    assert not one.equal(other)


def test_a_suite_names_them(tiny_suite, cells_of, trial_of):
    """With their options; bounds out of order are refused."""
    path = tiny_suite(('"default"', '{ name = "normal", std = 0.5 }'), ("[8]", "[900]"))
    _, cells = cells_of(path)
    assert float(trial_of(cells[0]).parameters["1.weight"].std()) == pytest.approx(0.5, rel=0.05)
    with pytest.raises(OptionError, match=r"low = 0.2 must be less than high = 0.1"):
        cells_of(tiny_suite(('"default"', '{ name = "uniform", low = 0.2 }')))
