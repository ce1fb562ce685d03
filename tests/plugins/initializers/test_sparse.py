"""The initialization that follows the inputs that each neuron has left."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sparse_tickets import tickets
from torch import Tensor, nn

from ticketbench import OptionError
from ticketbench_initializers.scaled import Glorot, He
from ticketbench_initializers.sparse import Sparse


def drawn(initializer, module: nn.Module, mask: dict[str, Tensor], seed: int = 0) -> nn.Module:
    """The module after initialization under a mask."""
    with torch.no_grad():
        initializer.initialize(module, mask, torch.Generator().manual_seed(seed))
    return module


def many(initializer, make, mask: Tensor, count: int) -> NDArray[np.float64]:
    """The weight of so many draws, (count, *shape)."""
    weights = [drawn(initializer, make(), {"weight": mask}, seed).weight for seed in range(count)]
    return torch.stack(weights).detach().double().numpy()


def counted(mask: Tensor, fan: str) -> NDArray[np.float64]:
    """n_ij of every place, counted one by one."""
    kept = mask.numpy()
    found = np.zeros(kept.shape)
    for place in itertools.product(*map(range, kept.shape)):
        inputs = sum(bool(kept[other]) for other in np.ndindex(kept.shape) if other[0] == place[0])
        outputs = sum(bool(kept[other]) for other in np.ndindex(kept.shape) if other[1] == place[1])
        found[place] = {"in": inputs, "out": outputs, "average": (inputs + outputs) / 2}[fan]
    return found


def test_three_neurons_by_hand():
    """Two, one and no inputs left of four: standard normal numbers times 1, √2 and nothing."""
    mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    weight = drawn(Sparse(), nn.Linear(4, 3), {"weight": mask}, seed=5).weight.detach()
    normal = torch.empty(3, 4).normal_(generator=torch.Generator().manual_seed(5))
    factors = torch.tensor([[1, 0, 1, 0], [0, 0, 0, math.sqrt(2)], [0, 0, 0, 0]])
    torch.testing.assert_close(weight, normal * factors)
    assert int(weight.count_nonzero()) == 3
    assert not weight.signbit()[~mask].any()


@pytest.mark.parametrize(
    ("fan", "variances"),
    [
        ("in", [[1, 1, 0], [2 / 3, 2 / 3, 2 / 3], [0, 2, 0]]),  # rows of 2, 3 and 1
        ("out", [[1, 2 / 3, 0], [1, 2 / 3, 2], [0, 2 / 3, 0]]),  # columns of 2, 3 and 1
        ("average", [[1, 4 / 5, 0], [4 / 5, 2 / 3, 1], [0, 1, 0]]),  # 2, 5/2; 5/2, 3, 2; 2
    ],
)
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_variances_of_three_by_three_by_hand(fan: str, variances: list[list[float]], gain: float):
    """gain / n for each connection, from the draws of the dense layer with the same seed."""
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 0]]).bool()
    weight = drawn(Sparse(fan=fan, gain=gain), nn.Linear(3, 3), {"weight": mask}, seed=3).weight.detach()
    normal = torch.empty(3, 3).normal_(generator=torch.Generator().manual_seed(3))
    found = (weight / normal).square()
    torch.testing.assert_close(found, torch.tensor(variances) * gain / 2)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_moments_of_neurons_with_1_4_20_100_and_no_inputs(gain: float, distribution: str):
    """Thousands of draws a neuron: mean 0, variance gain / n, the distribution's kurtosis and the uniform's bound."""
    inputs = (1, 4, 20, 100, 0)
    mask = torch.zeros(len(inputs), 100, dtype=torch.bool)
    for row, count in enumerate(inputs):
        mask[row, torch.randperm(100, generator=torch.Generator().manual_seed(row))[:count]] = True
    draws = many(Sparse(distribution=distribution, gain=gain), lambda: nn.Linear(100, len(inputs)), mask, 5000)
    kurtosis = {"normal": 3.0, "uniform": 1.8}[distribution]
    for row, count in enumerate(inputs):
        assert (np.count_nonzero(draws[:, row], axis=1) == count).all()
        if count:
            values = draws[:, row][:, mask[row].numpy()].ravel()
            std = math.sqrt(gain / count)
            assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
            assert values.var() == pytest.approx(std**2, rel=4 * math.sqrt((kurtosis - 1) / values.size))
            assert ((values / std) ** 4).mean() == pytest.approx(kurtosis, rel=0.12)
            if distribution == "uniform":
                assert 0.99 * math.sqrt(3) * std < abs(values).max() <= math.sqrt(3) * std * (1 + 1e-6)


@pytest.mark.parametrize("fan", ["in", "out", "average"])
@pytest.mark.parametrize(
    ("shape", "make"),
    [
        ((5, 7), lambda: nn.Linear(7, 5)),
        ((4, 3, 3, 2), lambda: nn.Conv2d(3, 4, (3, 2))),
        ((3, 5, 4), lambda: nn.Conv1d(5, 3, 4)),
    ],
)
def test_random_masks_against_counting_place_by_place(fan: str, shape: tuple[int, ...], make):
    """A third of the places kept, kernels included: every kept weight is the normal draw times √(2 / n)."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 1 / 3
    weight = drawn(Sparse(fan=fan), make(), {"weight": mask}, seed=2).weight.detach().numpy()
    normal = torch.empty(shape).normal_(generator=torch.Generator().manual_seed(2)).numpy()
    expected = normal * np.sqrt(2 / np.maximum(1, counted(mask, fan))) * mask.numpy()
    np.testing.assert_allclose(weight, expected, rtol=1e-5)


def test_any_weight_of_two_dimensions_has_neurons():
    """A bare parameter of a module of its own, named as it likes; what may not be pruned is drawn dense."""
    module = nn.ParameterDict({"inner": torch.zeros(3, 200), "free": torch.zeros(300, 200)})
    mask = torch.zeros(3, 200, dtype=torch.bool)
    mask[0, :50], mask[1, :1] = True, True
    draws = [drawn(Sparse(), module, {"inner": mask}, seed)["inner"].detach().clone() for seed in range(300)]
    inner = torch.stack(draws).double()
    assert float(inner[:, 0, :50].var()) == pytest.approx(2 / 50, rel=0.05)
    assert float(inner[:, 1, 0].var()) == pytest.approx(2, rel=0.35)
    assert int(inner[:, 2].count_nonzero()) == int(inner[:, 1, 1:].count_nonzero()) == 0
    assert float(module["free"].detach().var()) == pytest.approx(2 / 200, rel=0.03)


@pytest.mark.parametrize(
    ("initializer", "reference"),
    [
        (Sparse(), lambda weight, source: nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=source)),
        (Sparse("uniform"), lambda weight, source: nn.init.kaiming_uniform_(weight, generator=source)),
        (
            Sparse("uniform", gain=1.0),
            lambda weight, source: nn.init.kaiming_uniform_(weight, nonlinearity="linear", generator=source),
        ),
        (Sparse(fan="out"), lambda weight, source: nn.init.kaiming_normal_(weight, mode="fan_out", generator=source)),
        (Sparse(fan="average", gain=1.0), lambda weight, source: nn.init.xavier_normal_(weight, generator=source)),
    ],
)
def test_a_mask_of_ones_gives_torchs_dense_initializations(initializer: Sparse, reference):
    """The same numbers from the same generator, of a linear layer and of a convolution."""
    for module in (nn.Linear(6, 5), nn.Conv2d(3, 4, 3)):
        shape = module.weight.shape
        found = drawn(initializer, module, {"weight": torch.ones(shape, dtype=torch.bool)}, seed=7).weight.detach()
        torch.testing.assert_close(found, reference(torch.empty(shape), torch.Generator().manual_seed(7)))


def test_the_defaults_are_the_papers():
    """Normal, 2 / inputs, asking for the mask."""
    assert (Sparse().distribution, Sparse().fan, Sparse().gain, Sparse().biases) == ("normal", "in", 2.0, "zeros")
    assert Sparse.sparse_aware


def test_biases_and_scales_are_those_of_the_dense_initializers():
    """Zero, standard normal or as built, whatever the mask drops; the scale of a norm stays."""
    mask = {"0.weight": torch.zeros(20_000, 2, dtype=torch.bool)}
    for biases in ("zeros", "normal", "default"):
        module = nn.Sequential(nn.Linear(2, 20_000), nn.BatchNorm1d(20_000))
        before = module[0].bias.detach().clone()
        drawn(Sparse(biases=biases), module, mask)
        bias = module[0].bias.detach()
        if biases == "normal":
            assert float(bias.var()) == pytest.approx(1.0, rel=0.04)
        else:
            assert bias.equal(before if biases == "default" else torch.zeros(20_000))
        assert module[1].weight.detach().eq(1).all()


def test_the_draws_of_a_neuron_do_not_depend_on_the_other_neurons():
    """With the same generator another mask elsewhere changes no number here, and the global generator rests."""
    one, other = torch.ones(3, 5, dtype=torch.bool), torch.ones(3, 5, dtype=torch.bool)
    other[1, :3] = False
    modules = [nn.Linear(5, 3) for _ in range(2)]
    state = torch.get_rng_state()
    first, second = (
        drawn(Sparse(), module, {"weight": mask}, 4).weight.detach()
        for module, mask in zip(modules, (one, other), strict=True)
    )
    assert torch.get_rng_state().equal(state)
    assert first[0].equal(second[0])
    assert first[2].equal(second[2])
    torch.testing.assert_close(second[1, 3:], first[1, 3:] * math.sqrt(5 / 2))


def test_a_pruned_cell_starts_from_the_variance_of_its_mask(plugins, tiny_suite, cells_of):
    """A random half of 6 × 3,000 weights: neurons with k inputs left have variance 1.5 / k, and some have none."""
    path = tiny_suite(
        ('"default"', '{ name = "sparse", gain = 1.5 }'),
        ("hidden = [8]", "hidden = [3000]"),
        ('["dense", "magnitude"]', '["random"]'),
        ("seeds = [0, 1]", "seeds = [0]"),
    )
    weight = tickets(plugins, cells_of(path)[1])[0]["1.weight"].double()
    left = weight.ne(0).sum(1)
    assert set(left.tolist()) == set(range(7))
    for count in range(1, 7):
        values = weight[left == count]
        values = values[values != 0]
        assert float(values.var()) == pytest.approx(1.5 / count, rel=6 * math.sqrt(2 / len(values)))


@pytest.mark.parametrize("name", ["he", "glorot"])
def test_the_dense_initializations_do_not_look_at_the_mask(plugins, tiny_suite, cells_of, trial_of, name: str):
    """He's and Glorot's weights under the mask are those of the dense layer, bit for bit."""
    assert {He.sparse_aware, Glorot.sparse_aware} == {False}
    path = tiny_suite(('"default"', f'"{name}"'), ('["dense", "magnitude"]', '["random"]'))
    _, cells = cells_of(path)
    for cell, weights in zip(cells, tickets(plugins, cells), strict=True):
        for part, dense in trial_of(cell).weights.items():
            assert weights[part].equal(dense.where(weights[part] != 0, 0))
            assert 0 < int(weights[part].count_nonzero()) < weights[part].numel()


def test_a_suite_names_fan_and_gain(tiny_suite, cells_of):
    """A fan that is none of the three is refused with the three."""
    with pytest.raises(OptionError, match=r"cannot be 'both'\. It takes 'in' or 'out' or 'average'"):
        cells_of(tiny_suite(('"default"', '{ name = "sparse", fan = "both" }')))
