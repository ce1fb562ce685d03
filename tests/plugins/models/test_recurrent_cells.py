"""Recurrent cells against torch's own, NumPy step by step, and finite differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ticketbench import Recurrent, Shapes
from ticketbench_models.cells import RecurrentLayer
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel

MODELS = (RNN, LSTM, Peephole, GRU)
HIDDEN, FEATURES, BATCH = 5, 3, 4


def network(kind: type[SequenceModel], steps: int, masked: bool = False) -> nn.Module:
    """A tiny network in float64 with random biases; `masked`: half of the layer's weights are zero."""
    torch.manual_seed(steps)
    module = kind(hidden=HIDDEN).build(Shapes((steps, FEATURES), 2)).double()
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.normal_(0, 0.7)
            if masked and name.startswith("from_"):
                weight.mul_(torch.rand(weight.shape) < 0.5)
    return module


def sequences(steps: int) -> Tensor:
    """A batch."""
    return torch.randn(BATCH, steps, FEATURES, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """σ."""
    return 1 / (1 + np.exp(-values))


def by_hand(kind: type[SequenceModel], module: nn.Module, inputs: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """The states of a single sequence, a unit at a time, as the docstrings of the models write the equations."""
    weights = {name: weight.detach().numpy() for name, weight in module.named_parameters()}
    w, u, b = weights["from_input"], weights["from_hidden"], weights["bias"]
    h, c, states = np.zeros(HIDDEN), np.zeros(HIDDEN), []
    for x in inputs:
        new_h, new_c = np.zeros(HIDDEN), np.zeros(HIDDEN)

        def total(gate: int, unit: int, x=x, h=h) -> float:
            return w[gate * HIDDEN + unit] @ x + b[gate * HIDDEN + unit] + u[gate * HIDDEN + unit] @ h

        def peep(gate: int, unit: int, memory: np.ndarray) -> float:
            return weights["from_peephole"][gate * HIDDEN + unit] @ memory if kind is Peephole else 0.0

        for at in range(HIDDEN):
            if kind is RNN:
                new_h[at] = np.tanh(total(0, at))
            elif kind is GRU:
                r, z = sigmoid(total(0, at)), sigmoid(total(1, at))
                row = 2 * HIDDEN + at
                n = np.tanh(w[row] @ x + b[row] + r * (u[row] @ h))
                new_h[at] = (1 - z) * n + z * h[at]
            else:
                i, f = sigmoid(total(0, at) + peep(0, at, c)), sigmoid(total(1, at) + peep(1, at, c))
                g = np.tanh(total(2, at) + peep(2, at, c))
                new_c[at] = f * c[at] + i * g
        if kind in (LSTM, Peephole):
            for at in range(HIDDEN):
                new_h[at] = sigmoid(total(3, at) + peep(3, at, new_c)) * np.tanh(new_c[at])
        h, c = new_h, new_c
        states.append((h, c) if kind in (LSTM, Peephole) else (h,))
    return states


@pytest.mark.parametrize("kind", MODELS)
def test_a_layer_offers_what_scorers_ask_for(kind: type[SequenceModel]):
    """The protocol, with weights of a row block a gate."""
    module = network(kind, 2)
    assert isinstance(module, Recurrent)
    assert module.hidden == HIDDEN
    columns = {"input": FEATURES, "hidden": HIDDEN, "peephole": HIDDEN}
    assert list(module.layer) == ["input", "hidden", *(["peephole"] if kind is Peephole else [])]
    for role, name in module.layer.items():
        assert module.get_parameter(name).shape == (len(module.gates) * HIDDEN, columns[role])
    assert module.bias.shape == (len(module.gates) * HIDDEN,)


def test_gates_by_name():
    """In the order of torch's own layers."""
    assert network(RNN, 1).gates == ("state",)
    assert network(GRU, 1).gates == ("reset", "update", "candidate")
    assert network(LSTM, 1).gates == network(Peephole, 1).gates == ("input", "forget", "candidate", "output")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("kind", MODELS)
def test_states_equal_numpy_unit_by_unit(kind: type[SequenceModel], steps: int, masked: bool):
    """Every state of every step, and the read-out of the last hidden one."""
    module, inputs = network(kind, steps, masked), sequences(steps)
    carried, outputs = module.start(BATCH), module(inputs)
    found = []
    for step in range(steps):
        carried = module.transition(module.embed(inputs)[:, step], carried)
        found.append(carried)
    for example in range(BATCH):
        expected = by_hand(kind, module, inputs[example].numpy())
        for mine, theirs in zip(found, expected, strict=True):
            for part, other in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(part[example].detach().numpy(), other, rtol=0, atol=1e-12)
        last = module.read_out.weight.detach().numpy() @ expected[-1][0] + module.read_out.bias.detach().numpy()
        np.testing.assert_allclose(outputs[example].detach().numpy(), last, rtol=0, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize(("kind", "layer"), [(RNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)])
def test_torchs_layers_find_the_same_gradients(
    kind: type[SequenceModel], layer: type[nn.RNNBase], steps: int, masked: bool
):
    """With its second bias at zero."""
    module, inputs = network(kind, steps, masked), sequences(steps).requires_grad_()
    theirs = layer(FEATURES, HIDDEN, batch_first=True).double()
    names = {"from_input": "weight_ih_l0", "from_hidden": "weight_hh_l0", "bias": "bias_ih_l0"}
    with torch.no_grad():
        theirs.bias_hh_l0.zero_()
        for name, other in names.items():
            getattr(theirs, other).copy_(module.get_parameter(name))
    mine, expected = module(inputs).square().sum(), module.read(theirs(inputs)[0][:, -1]).square().sum()
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=0)
    found = torch.autograd.grad(mine, [*(module.get_parameter(name) for name in names), inputs])
    known = torch.autograd.grad(expected, [*(getattr(theirs, name) for name in names.values()), inputs])
    for one, other in zip(found, known, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_peepholes_equal_finite_differences_of_numpy(masked: bool):
    """∂(Σ h_T²)/∂θ by central differences of the states that NumPy computes, at every weight."""
    module, inputs = network(Peephole, 4, masked), sequences(4)[:1]
    carried = module.start(1)
    for step in range(4):
        carried = module.transition(inputs[:, step], carried)
    names = ["from_input", "from_hidden", "from_peephole", "bias"]
    found = torch.autograd.grad(carried[0].square().sum(), [module.get_parameter(name) for name in names])

    def value() -> float:
        return float((by_hand(Peephole, module, inputs[0].numpy())[-1][0] ** 2).sum())

    for name, gradient in zip(names, found, strict=True):
        flat = module.get_parameter(name).detach().flatten()
        for at in range(0, len(flat), 3):
            keep, ends = float(flat[at]), []
            for shift in (1e-5, -1e-5):
                flat[at] = keep + shift
                ends.append(value())
            flat[at] = keep
            assert abs((ends[0] - ends[1]) / 2e-5 - float(gradient.flatten()[at])) < 1e-7


@pytest.mark.parametrize("kind", MODELS)
def test_scorers_can_differentiate_twice(kind: type[SequenceModel]):
    """A Hessian-vector product through the single form is the difference of two gradients."""
    module, inputs = network(kind, 3), sequences(3)
    weights = {name: weight.detach() for name, weight in module.named_parameters()}
    along = {name: torch.randn_like(weight) for name, weight in weights.items()}

    def gradient(distance: float, twice: bool) -> tuple[Tensor, ...]:
        moved = {name: (weight + distance * along[name]).requires_grad_() for name, weight in weights.items()}
        first = torch.autograd.grad(
            functional_call(module, moved, (inputs,)).square().sum(), list(moved.values()), create_graph=twice
        )
        if not twice:
            return first
        return torch.autograd.grad(first, list(moved.values()), list(along.values()))

    for exact, plus, minus in zip(gradient(0, True), gradient(1e-5, False), gradient(-1e-5, False), strict=True):
        torch.testing.assert_close(exact, (plus - minus) / 2e-5, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_the_single_form_can_be_mapped(kind: type[SequenceModel]):
    """vmap over weights and inputs equals one network after the other."""
    modules, inputs = [network(kind, steps) for steps in (2, 3)], torch.stack([sequences(2), sequences(2) + 1])
    weights = [dict(module.named_parameters()) for module in modules]
    together = {name: torch.stack([one[name].detach() for one in weights]) for name in weights[0]}
    found = vmap(lambda own, batch: functional_call(modules[0], own, (batch,)))(together, inputs)
    for member, module in enumerate(modules):
        torch.testing.assert_close(found[member], module(inputs[member]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", MODELS)
def test_the_layer_is_drawn_as_torchs_are(kind: type[SequenceModel]):
    """U(±1/√hidden): 0.1 at 100 units, nearly reached, for weights and biases."""
    torch.manual_seed(0)
    layer = RecurrentLayer(kind.cell, 7, 100)
    for parameter in layer.parameters():
        assert 0.09 < float(parameter.detach().abs().max()) <= 0.1
        assert abs(float(parameter.detach().std()) - 0.1 / 3**0.5) < 0.008
    for one, other in pairwise(layer.parameters()):
        assert one.shape != other.shape or not torch.equal(one, other)
