"""A recurrent layer without its dead units computes the same, and nothing that lives is taken for dead."""

from __future__ import annotations

import copy

import pytest
import torch
from smaller_recurrent import (
    GATES,
    NETWORKS,
    READ_OUT,
    UNITS,
    built,
    examples,
    layer_masks,
    masked,
    silenced,
    without,
)
from torch import Tensor, nn

from ticketbench import compact
from ticketbench.units.compaction import expanded

GONE, STAYS = [0, 2, 5], [1, 3, 4, 6]


def dropped(kind: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network whose units 0, 2 and 5 were dropped and are silent, with some other weights masked, too."""
    module = silenced(built(kind), GONE)
    mask = without(module, layer_masks(module), GONE)
    source = torch.Generator().manual_seed(8)
    scattered = {name: part & (torch.rand(part.shape, generator=source) < 0.9) for name, part in mask.items()}
    return module, scattered


def chosen(module: nn.Module, mask: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the smaller network, picked by hand from the masked one."""
    state = masked(module, mask).state_dict()
    rows = [gate * UNITS + unit for gate in range(len(module.gates)) for unit in STAYS]
    for name in list(state):
        if name in module.layer.values() or name == "bias":
            state[name] = state[name][rows]
        if name in (*list(module.layer.values())[1:], READ_OUT) or name.startswith("carried_"):
            state[name] = state[name][:, STAYS]
    return state


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("kind", NETWORKS)
def test_outputs_are_those_of_the_masked_network(kind: str, fold: bool):
    """Three of seven units go, from every tensor; network and mask are left alone; put back they are zeros."""
    module, mask = dropped(kind)
    before = copy.deepcopy(module.state_dict())
    small = compact(module, mask, fold=fold)
    inputs = examples(kind)
    torch.testing.assert_close(small.module(inputs), masked(module, mask)(inputs), rtol=1e-13, atol=1e-13)
    assert {name: kept.tolist() for name, kept in small.kept.items()} == {"from_input": STAYS}
    assert (small.module.hidden, small.module.read_out.in_features, module.hidden) == (4, 4, 7)
    expected = chosen(module, mask)
    assert expected.keys() == small.module.state_dict().keys()
    assert all(part.equal(expected[name]) for name, part in small.module.state_dict().items())
    assert all(small.mask[name].shape == small.module.get_parameter(name).shape for name in mask)
    assert sum(int(part.sum()) for part in small.mask.values()) == sum(int(part.sum()) for part in mask.values())
    assert all(part.equal(before[name]) for name, part in module.state_dict().items())
    back = expanded(small.module.state_dict(), small.cuts)
    assert all(part.equal(back[name]) for name, part in masked(module, mask).state_dict().items())
    assert all(part.equal(mask[name]) for name, part in expanded(small.mask, small.cuts).items())


@pytest.mark.parametrize("kind", NETWORKS)
def test_training_goes_on_as_under_the_mask(kind: str):
    """Three steps of gradient descent with weight decay: the silent units stay silent, the others move alike."""
    module, mask = dropped(kind)
    small = compact(module, mask, fold=False)
    large, inputs = masked(module, mask), examples(kind)
    for network, own in ((large, mask), (small.module, small.mask)):
        weights = {name: part for name, part in network.named_parameters() if part.requires_grad}
        for _ in range(3):
            slopes = torch.autograd.grad(network(inputs).square().sum(), list(weights.values()))
            with torch.no_grad():
                for (name, weight), slope in zip(weights.items(), slopes, strict=True):
                    weight.sub_(0.01 * (slope + 0.1 * weight)).mul_(own.get(name, torch.tensor(True)))
    again = chosen(large, mask)
    for name, part in small.module.state_dict().items():
        torch.testing.assert_close(part, again[name], rtol=1e-11, atol=1e-13)
    for unit in GONE:
        assert not bool(large.bias.view(GATES[kind], -1)[:, unit].any())
        assert not bool(large.read_out.weight[:, unit].any())


@pytest.mark.parametrize("left", ["an input", "a loop in", "a loop out", "a bias", "a column"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_unit_that_anything_is_left_of_stays(kind: str, left: str):
    """One entry is enough: the read-out has no mask, so that a unit which may speak is one that it may come to read."""
    module, mask = dropped(kind)
    with torch.no_grad():
        if left == "an input":
            mask["from_input"][UNITS * (GATES[kind] - 1) + 2, 0] = True
        elif left == "a loop in":
            mask["from_hidden"][2, 1] = True
        elif left == "a loop out":
            mask["from_hidden"][1, 2] = True
        elif left == "a bias":
            module.bias[UNITS * (GATES[kind] - 1) + 2] = 0.5
        else:
            module.read_out.weight[1, 2] = 0.5
    small, inputs = compact(module, mask), examples(kind)
    assert small.kept["from_input"].tolist() == [1, 2, 3, 4, 6]
    torch.testing.assert_close(small.module(inputs), masked(module, mask)(inputs), rtol=1e-13, atol=1e-13)


def reached(mask: dict[str, Tensor], gates: int) -> list[int]:
    """The units from which a path of kept weights leads to the outputs, one search a unit."""
    loops = [part for name, part in mask.items() if name in ("from_hidden", "from_peephole")]
    found = []
    for unit in range(UNITS):
        seen, waiting = {unit}, [unit]
        while waiting:
            at = waiting.pop()
            readers = {row % UNITS for part in loops for row in range(gates * UNITS) if part[row, at]}
            waiting += readers - seen
            seen |= readers
        if any(mask[READ_OUT][:, at].any() for at in seen):
            found.append(unit)
    return found


@pytest.mark.parametrize("kind", NETWORKS)
def test_units_that_nobody_reads_go_with_a_read_out_under_the_mask(kind: str):
    """At random masks, against a search of paths: with biases and live incoming weights, and still exact."""
    removed, inputs = 0, examples(kind)
    for seed in range(12):
        module, source = built(kind, seed), torch.Generator().manual_seed(seed)
        mask = layer_masks(module) | {READ_OUT: torch.ones_like(module.read_out.weight, dtype=torch.bool)}
        mask = {name: torch.rand(part.shape, generator=source) < 0.06 for name, part in mask.items()}
        small, expected = compact(module, mask), reached(mask, GATES[kind])
        assert small.kept["from_input"].tolist() == (expected or [0])
        torch.testing.assert_close(small.module(inputs), masked(module, mask)(inputs), rtol=1e-12, atol=1e-12)
        removed += UNITS - len(expected)
    assert removed > 12


def test_units_that_read_each_other_alone_go_together():
    """0 and 1 in a circle, 2 by itself: no path leads to the outputs, which read 3 alone."""
    module = built("gru")
    mask = layer_masks(module) | {READ_OUT: torch.zeros(2, UNITS, dtype=torch.bool)}
    mask["from_hidden"][:] = False
    for reader, read in ((0, 1), (UNITS + 1, 0), (2 * UNITS + 2, 2)):
        mask["from_hidden"][reader, read] = True
    mask[READ_OUT][0, 3] = True
    assert compact(module, mask).kept["from_input"].tolist() == [3]
    mask["from_hidden"][2 * UNITS + 3, 0] = True
    assert compact(module, mask).kept["from_input"].tolist() == [0, 1, 3]


def test_a_layer_keeps_as_many_units_as_are_asked_for():
    """At least five of seven: the first dead unit stays, without a weight, and outputs are the same."""
    module, mask = dropped("lstm")
    small = compact(module, mask, fold=False, least={"from_input": 5})
    assert small.kept["from_input"].tolist() == [0, *STAYS]
    assert all(not bool(part.view(4, 5, -1)[:, 0].any()) for part in small.mask.values())
    inputs = examples("lstm")
    torch.testing.assert_close(small.module(inputs), masked(module, mask)(inputs), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", ["language lstm", "language gru"])
def test_a_carried_state_is_that_of_the_smaller_network(kind: str):
    """Two windows in turn: the smaller buffers hold the states of the units that stayed."""
    module, mask = dropped(kind)
    large, small, words = masked(module, mask), compact(module, mask).module, examples(kind)
    for network in (large, small):
        for name in network.states:
            network.register_buffer(name, torch.zeros(4, network.hidden).double())
    for window in (words, words.flip(1)):
        torch.testing.assert_close(small(window), large(window), rtol=1e-13, atol=1e-13)
    for name in small.states:
        torch.testing.assert_close(small.get_buffer(name), large.get_buffer(name)[:, STAYS], rtol=1e-13, atol=1e-13)
        assert not bool(large.get_buffer(name)[:, GONE].any())
