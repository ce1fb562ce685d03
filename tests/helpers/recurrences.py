"""Recurrent cells in NumPy, their Jacobians written out, and trials of tiny recurrent networks, for tests of scorers.

Derivatives by states are complex steps, exact to rounding; derivatives by weights are central differences.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ticketbench import Scorer, Trial, testing
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceClassifier, SequenceModel

Array = NDArray[np.float64]
Weights = dict[str, Array]
KINDS: dict[str, type[SequenceModel]] = {kind.name: kind for kind in (RNN, LSTM, Peephole, GRU)}
HIDDEN, FEATURES, STEPS, BATCH = 3, 2, 5, 4
SHIFT = 1e-5


class Widened(SequenceClassifier):
    """A classifier that takes its inputs in the type of its weights."""

    def embed(self, inputs: Tensor) -> Tensor:
        """The sequence."""
        return inputs.to(self.bias.dtype)


def given(module: nn.Module, also: tuple[str, ...] = ()) -> testing.GivenNetwork:
    """A model of a network; the weights of its layer are prunable, and what the test says."""
    names = [name for name, _ in module.named_parameters() if name.startswith("from_") or name in also]
    return testing.GivenNetwork(module, names)


def examples_of(inputs: Tensor) -> testing.GivenExamples:
    """These sequences, of two classes in turn."""
    return testing.GivenExamples(inputs, torch.arange(len(inputs)) % 2, outputs=2)


@pytest.fixture
def trial_with() -> Callable[..., Trial]:
    """A trial of a network and its examples."""

    def make(module: nn.Module, inputs: Tensor, scorer: Scorer, also: tuple[str, ...] = ()) -> Trial:
        return testing.trial_for(scorer, model=given(module, also), task=examples_of(inputs))

    return make


def network(kind: str, hidden: int = HIDDEN, seed: int = 1) -> SequenceClassifier:
    """A tiny network in float64 with random biases, far from saturation."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = Widened(KINDS[kind].cell, FEATURES, hidden, 2).double()
        for weight in module.parameters():
            nn.init.normal_(weight, 0, 0.6)
    return module


def sequences(steps: int = STEPS, batch: int = BATCH) -> Tensor:
    """A batch."""
    return torch.randn(batch, steps, FEATURES, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def arrays(module: nn.Module) -> Weights:
    """Every parameter, copied."""
    return {name: weight.detach().numpy().copy() for name, weight in module.named_parameters()}


def sigmoid(values: Array) -> Array:
    """σ."""
    return 1 / (1 + np.exp(-values))


def after(kind: str, weights: Weights, x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
    """A step of a batch, real or complex, as the docstrings of the models write it."""
    given, loop = x @ weights["from_input"].T + weights["bias"], state[0] @ weights["from_hidden"].T
    if kind == "rnn":
        return (np.tanh(given + loop),)
    units = state[0].shape[1]
    if kind == "gru":
        reset, update = np.split(sigmoid((given + loop)[:, : 2 * units]), 2, axis=1)
        candidate = np.tanh(given[:, 2 * units :] + reset * loop[:, 2 * units :])
        return ((1 - update) * candidate + update * state[0],)
    peephole = weights.get("from_peephole", np.zeros((4 * units, units)))
    enter, forget, candidate = np.split((given + loop + state[1] @ peephole.T)[:, : 3 * units], 3, axis=1)
    memory = sigmoid(forget) * state[1] + sigmoid(enter) * np.tanh(candidate)
    leave = sigmoid((given + loop + memory @ peephole.T)[:, 3 * units :])
    return leave * np.tanh(memory), memory


def states(kind: str, weights: Weights, inputs: Array) -> list[tuple[Array, ...]]:
    """Before the first step and after each."""
    found = [tuple(np.zeros((len(inputs), weights["from_hidden"].shape[1])) for _ in range(KINDS[kind].cell.carries))]
    for step in range(inputs.shape[1]):
        found.append(after(kind, weights, inputs[:, step], found[-1]))
    return found


def jacobian(kind: str, weights: Weights, x: Array, state: tuple[Array, ...]) -> Array:
    """∂h'/∂h of each example, (batch, h', h), a column at a time, with what else is carried held."""
    columns = []
    for unit in np.eye(state[0].shape[1]):
        moved = state[0] + 1e-30j * unit
        columns.append(after(kind, weights, x, (moved, *state[1:]))[0].imag / 1e-30)
    return np.stack(columns, axis=2)


def differences(weights: Weights, value: Callable[[Weights], Array]) -> dict[str, Array]:
    """∂value/∂θ of every weight of the layer by central differences, values first."""
    found = {}
    for name in (name for name in weights if name.startswith("from_")):
        each = []
        for place in np.ndindex(*weights[name].shape):
            ends = []
            for sign in (1, -1):
                moved = weights[name].copy()
                moved[place] += sign * SHIFT
                ends.append(value({**weights, name: moved}))
            each.append((ends[0] - ends[1]) / (2 * SHIFT))
        found[name] = np.stack(each, axis=-1).reshape(*each[0].shape, *weights[name].shape)
    return found


def gammas(kind: str, weights: Weights, inputs: Array, absolute: bool = False) -> dict[str, Array]:
    """|E Σ_t Σ_i ∂h_i/∂θ|, or E|…|."""

    def sums(moved: Weights) -> Array:
        """Of each sequence."""
        return np.sum([state[0].sum(axis=1) for state in states(kind, moved, inputs)[1:]], axis=0)

    each = differences(weights, sums)
    return {name: np.abs(part).mean(0) if absolute else np.abs(part.mean(0)) for name, part in each.items()}
