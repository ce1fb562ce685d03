"""γ against finite differences of states that NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recurrences import BATCH, FEATURES, KINDS, arrays, gammas, network, sequences, trial_with

from ticketbench import OptionError, Trial, generator
from ticketbench_scorers.jacobian import Jacobian
from ticketbench_scorers.layer import Layer

__all__ = ["trial_with"]


@pytest.mark.parametrize("gamma", ["signed", "absolute"])
@pytest.mark.parametrize("inputs", ["normal", "data"])
@pytest.mark.parametrize("kind", KINDS)
def test_gamma_equals_finite_differences(trial_with, kind: str, inputs: str, gamma: str):
    """∂/∂θ of the states of all units and steps, of 3 steps of noise with deviation 0.5, or of examples."""
    scorer = Jacobian(gamma=gamma, gamma_inputs=inputs, gamma_deviation=0.5, gamma_steps=3)
    module, examples = network(kind), sequences()
    trial = trial_with(module, examples, scorer)
    found = scorer.expected(Layer(trial, "jacobian"), scorer.sequences(trial, examples))
    noise = 0.5 * torch.randn(BATCH, 3, FEATURES, generator=generator(trial.seed, "gamma")).double()
    read = (noise if inputs == "normal" else examples[:, :3]).numpy()
    expected = gammas(kind, arrays(module), read, gamma == "absolute")
    assert found.keys() == expected.keys()
    for name, part in found.items():
        np.testing.assert_allclose(part.numpy(), expected[name], rtol=1e-6, atol=1e-9)


def test_the_two_readings_by_hand(trial_with):
    """One step, no bias: ∂h_i/∂W_ij = (1 − tanh²(Wx)_i)·x_j, which cancels over x and −x unless |·| comes first."""
    module, half = network("rnn"), sequences(1, 2)
    with torch.no_grad():
        module.bias.zero_()
    layer = Layer(trial_with(module, half, Jacobian()), "jacobian")
    slopes = 1 - torch.tanh(half[:, 0] @ module.from_input.detach().T).square()
    by_hand = slopes.unsqueeze(2) * half
    signed, absolute = (Jacobian(gamma=gamma).expected(layer, half) for gamma in ("signed", "absolute"))
    torch.testing.assert_close(signed["from_input"], by_hand.mean(0).abs(), rtol=1e-12, atol=0)
    torch.testing.assert_close(absolute["from_input"], by_hand.abs().mean(0), rtol=1e-12, atol=0)
    both = torch.cat([half, -half])
    assert not Jacobian().expected(layer, both)["from_input"].gt(1e-16).any()
    torch.testing.assert_close(Jacobian(gamma="absolute").expected(layer, both), absolute, rtol=1e-12, atol=0)
    assert not absolute["from_hidden"].any()


def noise(trial: Trial, scorer: Jacobian, count: int = 3000) -> torch.Tensor:
    """What γ is taken of."""
    return scorer.sequences(trial, torch.ones(count, 4, FEATURES, dtype=torch.float64))


def test_a_tenth_is_the_standard_deviation(trial_with):
    """N(0, 0.1²), as many sequences and steps as there are examples, in their type, and others at the next call."""
    trial = trial_with(network("rnn"), sequences(), Jacobian())
    first, second = noise(trial, Jacobian()), noise(trial, Jacobian(gamma_steps=7))
    assert first.shape == (3000, 4, FEATURES)
    assert second.shape == (3000, 7, FEATURES)
    assert first.dtype == torch.float64
    assert abs(float(first.std()) - 0.1) < 2e-3
    assert abs(float(first.mean())) < 2e-3
    assert not torch.equal(first, second[:, :4])


def test_examples_have_only_so_many_steps(trial_with):
    """More are refused; all of them are the default."""
    trial = trial_with(network("rnn"), sequences(), Jacobian())
    assert Jacobian(gamma_inputs="data").sequences(trial, sequences()).equal(sequences())
    with pytest.raises(OptionError, match=r"gamma_steps = 6 of training examples with 5.*\"normal\", or at most 5"):
        Jacobian(gamma_inputs="data", gamma_steps=6).sequences(trial, sequences())
