"""Orthogonal initialization, whole and gate by gate."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ticketbench import OptionError, Shapes
from ticketbench_initializers.orthogonal import Orthogonal
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel


def drawn(initializer: Orthogonal, module: nn.Module, seed: int = 0, *prunable: str) -> nn.Module:
    """The module after initialization; the named weights may be pruned."""
    own = dict(module.named_parameters())
    mask = {name: torch.ones_like(own[name], dtype=torch.bool) for name in prunable}
    with torch.no_grad():
        initializer.initialize(module, mask, torch.Generator().manual_seed(seed))
    return module


def assert_orthonormal(rows: Tensor, gain: float = 1.0) -> None:
    """Q·Qᵀ = gain²·I."""
    expected = gain**2 * torch.eye(len(rows))
    torch.testing.assert_close(rows @ rows.T, expected, rtol=0, atol=2e-6 * gain**2)


@pytest.mark.parametrize(("kind", "gates"), [(RNN, 1), (LSTM, 4), (Peephole, 4), (GRU, 3)])
@pytest.mark.parametrize(("features", "gain"), [(5, 1.0), (40, 0.5)])
def test_every_gate_is_orthogonal(kind: type[SequenceModel], gates: int, features: int, gain: float):
    """Hidden to hidden and memory to hidden, both ways; from few inputs the columns of a gate, from many its rows."""
    model = kind(hidden=12)
    module = drawn(Orthogonal(gain=gain), model.build(Shapes((3, features), 4)))
    own = {name: part.detach() for name, part in module.named_parameters()}
    for name in model.prunable(module):
        blocks = own[name].split(12)
        assert len(blocks) == gates
        for block in blocks:
            if name != "from_input" or features > 12:
                assert_orthonormal(block, gain)
            if name != "from_input" or features < 12:
                assert_orthonormal(block.T, gain)
        for other in blocks[1:]:
            assert float((blocks[0] - other).abs().max()) > 0.1
    assert_orthonormal(own["read_out.weight"], gain)
    assert not bool(own["bias"].any())


def test_a_state_keeps_its_length():
    """A thousand steps of one gate's block turn a state and do not shrink it."""
    module = drawn(Orthogonal(), LSTM(hidden=20).build(Shapes((3, 2), 2))).double()
    turn, state = module.from_hidden.detach()[20:40], torch.ones(20, dtype=torch.float64)
    for _ in range(1000):
        state = turn @ state
    assert float(state.norm()) == pytest.approx(20**0.5, rel=1e-3)


def test_other_weights_are_whole_with_the_kernel_among_the_inputs():
    """(6, 2, 3, 3) as 6 rows of 18, a linear layer of 3 inputs by its columns; a layer of that name is no gate."""
    module = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Linear(3, 9))
    drawn(Orthogonal(gain=2.0), module)
    assert_orthonormal(module[0].weight.detach().flatten(1), 2.0)
    assert_orthonormal(module[1].weight.detach().T, 2.0)


def test_no_direction_is_preferred():
    """Over 4,000 draws of a 2×2 block the first entry has mean 0, and either sign of the determinant is as frequent."""
    source = torch.Generator().manual_seed(0)
    weight, found = torch.empty(2, 2), []
    for _ in range(4000):
        Orthogonal().fill(weight, source)
        found.append(weight.clone())
    stack = torch.stack(found).double()
    assert float(stack.mean(0).abs().max()) < 4 * (0.5 / 4000) ** 0.5  # each entry has variance ½
    assert abs(float(torch.linalg.det(stack).mean())) < 4 / 4000**0.5


def test_only_what_may_be_pruned():
    """The read-out stays as it was built."""
    model = GRU(hidden=6)
    module = model.build(Shapes((3, 4), 2))
    before = module.read_out.weight.detach().clone()
    drawn(Orthogonal(weights="prunable"), module, 0, *model.prunable(module))
    assert module.read_out.weight.detach().equal(before)
    assert_orthonormal(module.from_hidden.detach()[6:12])


def test_draws_belong_to_the_generator_and_biases_change_no_weight():
    """The same generator draws the same numbers, another one others; biases stay as built on request."""
    found = []
    for seed, elsewhere, biases in ((1, 10, "zeros"), (1, 11, "default"), (2, 10, "zeros")):
        module = RNN(hidden=5).build(Shapes((2, 3), 2))
        nn.init.ones_(module.bias)
        torch.manual_seed(elsewhere)
        drawn(Orthogonal(biases=biases), module, seed)
        assert module.bias.tolist() == [0.0 if biases == "zeros" else 1.0] * 5
        found.append(torch.cat([module.from_input.detach().flatten(), module.from_hidden.detach().flatten()]))
    one, same, other = found
    assert one.equal(same)
    assert not one.equal(other)


def test_a_suite_names_it(tiny_suite, cells_of, trial_of):
    """With its gain; biases have no direction to be drawn in, and "alike" is refused."""
    path = tiny_suite(('"default"', '{ name = "orthogonal", gain = 3.0 }'))
    _, cells = cells_of(path)
    assert_orthonormal(trial_of(cells[0]).parameters["1.weight"].detach().T, 3.0)
    with pytest.raises(OptionError, match=r"cannot be 'alike'\. It takes 'zeros' or 'default'"):
        cells_of(tiny_suite(('"default"', '{ name = "orthogonal", biases = "alike" }')))
