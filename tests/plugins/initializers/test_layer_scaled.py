"""Dense initializations divided by the root of each layer's density."""

from __future__ import annotations

import math

import pytest
import torch
from sparse_tickets import tickets
from torch import Tensor, nn

from ticketbench_initializers.layer_scaled import LayerScaled


def drawn(initializer: LayerScaled, module: nn.Module, mask: dict[str, Tensor], seed: int = 0) -> nn.Module:
    """The module after initialization under a mask."""
    with torch.no_grad():
        initializer.initialize(module, mask, torch.Generator().manual_seed(seed))
    return module


def test_three_of_twelve_weights_by_hand():
    """Density ¼ doubles the dense draws, N(0, 2 / 4), of all three neurons alike: two, one and no inputs left."""
    mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    weight = drawn(LayerScaled("normal"), nn.Linear(4, 3), {"weight": mask}, seed=5).weight.detach()
    normal = torch.empty(3, 4).normal_(generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(weight, (normal * math.sqrt(2)).where(mask, 0))
    assert not weight.signbit()[~mask].any()


@pytest.mark.parametrize(
    ("base", "variance"), [("he", 2 / 270), ("lecun", 1 / 270), ("glorot", 2 / 630)]
)  # fans of (40, 30, 3, 3): 270 and 360
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_moments_of_a_convolution_at_a_tenth(base: str, variance: float, distribution: str):
    """10,800 weights, exactly 1,080 of them kept: ten times the dense variance; neurons of few inputs have no other."""
    order = torch.randperm(10_800, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(10_800, dtype=torch.bool)
    mask[order[:1080]] = True
    mask = mask.view(40, 30, 3, 3)
    initializer = LayerScaled(base=base, distribution=distribution)
    draws = [drawn(initializer, nn.Conv2d(30, 40, 3), {"weight": mask}, seed).weight.detach() for seed in range(50)]
    kept = torch.stack(draws).double()[:, mask]
    assert int(torch.stack(draws).count_nonzero()) == 50 * 1080
    assert float(kept.var()) == pytest.approx(10 * variance, rel=0.025)
    kurtosis = float(kept.pow(4).mean()) / (10 * variance) ** 2
    assert kurtosis == pytest.approx({"uniform": 1.8, "normal": 3.0}[distribution], rel=0.06)


@pytest.mark.parametrize(
    ("base", "reference"),
    [
        ("he", lambda weight, source: nn.init.kaiming_uniform_(weight, generator=source)),
        ("lecun", lambda weight, source: nn.init.kaiming_uniform_(weight, nonlinearity="linear", generator=source)),
        ("glorot", lambda weight, source: nn.init.xavier_uniform_(weight, generator=source)),
    ],
)
def test_a_mask_of_ones_gives_torchs_dense_initializations(base: str, reference):
    """The same numbers from the same generator."""
    found = drawn(LayerScaled(base=base), nn.Conv2d(3, 4, 3), {"weight": torch.ones(4, 3, 3, 3).bool()}, seed=7)
    expected = reference(torch.empty(4, 3, 3, 3), torch.Generator().manual_seed(7))
    torch.testing.assert_close(found.weight.detach(), expected)


def test_each_layer_has_a_density_of_its_own():
    """A half, nothing and no mask at all: √2, zeros, and dense; biases are zeros."""
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    half = torch.eye(4).bool() | torch.eye(4).bool().roll(1, 0)
    mask = {"0.weight": half, "1.weight": torch.zeros(4, 4, dtype=torch.bool)}
    drawn(LayerScaled(), module, mask, seed=3)
    source = torch.Generator().manual_seed(3)
    first, _, third = (nn.init.kaiming_uniform_(torch.empty(4, 4), generator=source) for _ in range(3))
    torch.testing.assert_close(module[0].weight.detach(), (math.sqrt(2) * first).where(half, 0))
    assert module[1].weight.detach().equal(torch.zeros(4, 4))
    torch.testing.assert_close(module[2].weight.detach(), third)
    assert all(int(layer.bias.count_nonzero()) == 0 for layer in module)


def test_a_pruned_cell_starts_from_the_density_of_its_layers(plugins, tiny_suite, cells_of):
    """It asks for the mask: a random sixth of the layers 6-900-3, each with a density near a sixth of its own."""
    assert LayerScaled.sparse_aware
    path = tiny_suite(
        ('"default"', '{ name = "layer_scaled", base = "glorot" }'),
        ("hidden = [8]", "hidden = [900]"),
        ('["dense", "magnitude"]', '["random"]'),
        ("densities = [0.5]", "densities = [0.17]"),
    )
    for weights in tickets(plugins, cells_of(path)[1]):
        for name, fans in (("1.weight", 906), ("3.weight", 903)):
            kept = weights[name][weights[name] != 0].double()
            density = len(kept) / weights[name].numel()
            assert float(kept.var()) == pytest.approx(2 / fans / density, rel=0.2)
            assert 0.95 < float(kept.abs().max()) / math.sqrt(6 / fans / density) <= 1 + 1e-6
