"""Combinations of the Jacobian criterion's options under a mask, against Jacobians that autograd writes out.

`test_jacobian` has NumPy and finite differences for one option at a time; here is nothing but torch, and all at once.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from recurrences import KINDS, network, sequences, trial_with
from torch import Tensor

from ticketbench_scorers.jacobian import Jacobian

__all__ = ["trial_with"]

State = tuple[Tensor, ...]
Weights = dict[str, Tensor]
READINGS = list(
    product(
        ("jvp", "rademacher", "frobenius", "vjp"),
        ("last", "all"),
        ("full", "explicit"),
        ("signed", "absolute"),
        ("normal", "data"),
    )
)[::3]


def after(kind: str, weights: Weights, x: Tensor, state: State) -> State:
    """One step of one sequence, gate by gate."""
    hidden, units = state[0], len(state[0])

    def gate(number: int, memory: Tensor | None = None) -> Tensor:
        rows = slice(number * units, (number + 1) * units)
        given = weights["from_input"][rows] @ x + weights["bias"][rows]
        seen = 0 if memory is None else weights["from_peephole"][rows] @ memory
        return given + weights["from_hidden"][rows] @ hidden + seen

    if kind == "rnn":
        return (torch.tanh(gate(0)),)
    if kind == "gru":
        reset, update = torch.sigmoid(gate(0)), torch.sigmoid(gate(1))
        loop = weights["from_hidden"][2 * units :] @ hidden
        candidate = torch.tanh(gate(2) - loop + reset * loop)
        return ((1 - update) * candidate + update * hidden,)
    before = state[1] if kind == "peephole" else None
    memory = torch.sigmoid(gate(1, before)) * state[1] + torch.sigmoid(gate(0, before)) * torch.tanh(gate(2, before))
    leave = torch.sigmoid(gate(3, memory if kind == "peephole" else None))
    return leave * torch.tanh(memory), memory


def states(kind: str, weights: Weights, sequence: Tensor) -> list[State]:
    """Before the first step and after each."""
    zeros = torch.zeros(weights["from_hidden"].shape[1], dtype=torch.float64)
    found: list[State] = [(zeros,) if kind in ("rnn", "gru") else (zeros, zeros)]
    for x in sequence:
        found.append(after(kind, weights, x, found[-1]))
    return found


def slopes(of: Tensor, weights: Weights) -> dict[str, Tensor]:
    """∂of/∂θ of the layer's weights; zeros where nothing depends."""
    names = [name for name in weights if name.startswith("from_")]
    places = [weights[name] for name in names]
    found = torch.autograd.grad(of, places, retain_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def square(kind: str, weights: Weights, x: Tensor, state: State, scorer: Jacobian, signs: Tensor) -> Tensor:
    """‖J·1‖² of one sequence and transition, or what stands for it: J is written out, a row a unit."""
    hidden = state[0] if state[0].requires_grad else state[0].clone().requires_grad_(True)
    following = after(kind, weights, x, (hidden, *state[1:]))[0]
    matrix = torch.stack([torch.autograd.grad(unit, hidden, create_graph=True)[0] for unit in following])
    if scorer.product == "frobenius":
        return matrix.square().sum()
    if scorer.product == "vjp":
        return matrix.sum(0).square().sum()
    return (matrix @ (signs if scorer.product == "rademacher" else torch.ones_like(signs))).square().sum()


def expected(kind: str, weights: Weights, inputs: Tensor, noise: Tensor, signs: Tensor, scorer: Jacobian) -> Weights:
    """Σ_u |∂E‖J_u·1‖²/∂θ| / |γ|."""
    length = inputs.shape[1]
    steps = range(1, length) if scorer.transitions == "all" else range(length - scorer.horizon, length)
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    every = [states(kind, weights, sequence) for sequence in inputs]
    if scorer.derivative == "explicit":
        every = [[tuple(part.detach() for part in state) for state in one] for one in every]
    for number, step in enumerate(steps):
        parts = [
            square(kind, weights, sequence[step], one[step], scorer, signs[number, example])
            for example, (sequence, one) in enumerate(zip(inputs, every, strict=True))
        ]
        for name, slope in slopes(torch.stack(parts).mean(), weights).items():
            total[name] += slope.abs()
    sums = [torch.stack([state[0].sum() for state in states(kind, weights, sequence)]).sum() for sequence in noise]
    if scorer.gamma == "signed":
        divisors = {name: slope.abs() for name, slope in slopes(torch.stack(sums).mean(), weights).items()}
    else:
        each = [slopes(one, weights) for one in sums]
        divisors = {name: torch.stack([part[name].abs() for part in each]).mean(0) for name in each[0]}
    return {name: total[name] / (divisors[name] + scorer.epsilon) for name in divisors}


@pytest.mark.parametrize("kind", KINDS)
def test_options_together_under_a_mask(trial_with, kind: str):
    """A third of the 64 readings, two of three weights left: to 1e-8 of each score, 1e-9 of the largest near zero."""
    data, module = sequences(steps=4, batch=3), network(kind)
    left = torch.Generator().manual_seed(7)
    mask = {
        name: torch.rand(weight.shape, generator=left) < 2 / 3
        for name, weight in module.named_parameters()
        if name.startswith("from_")
    }
    for many, which, derivative, gamma, source in READINGS:
        scorer = Jacobian(
            product=many,
            transitions=which,
            horizon=2,
            derivative=derivative,
            gamma=gamma,
            gamma_inputs=source,
            gamma_steps=3,
            gamma_deviation=0.7,
            batch=3,
            epsilon=1e-12,
        )
        trial, other = (trial_with(module, data, scorer) for _ in range(2))
        trial.set_mask(mask)
        found = scorer.score(trial)
        inputs = next(other.batches(1, 3)).inputs.double()
        weights = {
            name: (weight * mask[name] if name in mask else weight).detach().double().requires_grad_(True)
            for name, weight in module.named_parameters()
        }
        pulls = [torch.randint(0, 2, (3, module.hidden), generator=other.generator("signs")) for _ in range(3)]
        drawn = 0.7 * torch.randn(3, 3, 2, generator=other.generator("gamma")).double()
        noise = inputs[:, :3] if source == "data" else drawn
        right = expected(kind, weights, inputs, noise, torch.stack(pulls).double() * 2 - 1, scorer)
        assert found.keys() == right.keys()
        for name, score in found.items():
            torch.testing.assert_close(score, right[name], rtol=1e-8, atol=1e-9 * float(right[name].max()))
