"""ProsPr against finite differences of the loss after a few steps, computed in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stepwise import NAMES, Array, exact_trial, gradient

from ticketbench import Trial
from ticketbench.testing import GivenExamples, check_scorer
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.prospr import Prospr
from ticketbench_scorers.snip import Snip


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network in float64 whose every batch has all 24 examples; three weights are pruned."""
    found = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    mask = found.mask
    mask["1.weight"][0, :3] = False
    found.set_mask(mask)
    return found


class ByHand:
    """The loss after some steps of gradient descent from c ⊙ θ, as a function of c."""

    def __init__(self, trial: Trial, rate: float) -> None:
        (examples,) = trial.batches(0)
        self.inputs, self.targets, self.rate = examples.inputs.numpy(), examples.targets.numpy(), rate
        self.weights = [trial.weights[name].numpy() for name in NAMES]
        self.masks = [trial.mask[name].numpy() for name in NAMES]

    def after(self, steps: int, connections: list[Array]) -> list[Array]:
        """The weights after the steps."""
        found = [weight * factor for weight, factor in zip(self.weights, connections, strict=True)]
        for _ in range(steps):
            slopes = gradient(found, self.inputs, self.targets)
            found = [
                weight - self.rate * slope * mask for weight, slope, mask in zip(found, slopes, self.masks, strict=True)
            ]
        return found

    def loss(self, weights: list[Array]) -> float:
        """The mean cross-entropy."""
        logits = np.maximum(self.inputs @ weights[0].T, 0) @ weights[1].T
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), self.targets]))


def test_scores_are_the_slope_of_the_loss_three_steps_on(trial: Trial):
    """(L(c + h) − L(c − h)) / 2h of every connection, through all second derivatives; what is pruned scores zero."""
    hand = ByHand(trial, 0.3)
    scores = Prospr(learning_rate=0.3).score(trial)
    for at, name in enumerate(NAMES):
        expected = np.zeros_like(hand.weights[at])
        for place in np.ndindex(*expected.shape):
            sides = []
            for step in (1e-5, -1e-5):
                connections = [np.ones_like(weight) for weight in hand.weights]
                connections[at][place] += step
                sides.append(hand.loss(hand.after(3, connections)))
            expected[place] = abs(sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(scores[name].numpy(), expected, rtol=1e-4, atol=1e-8)
    assert not scores["1.weight"][0, :3].any()


def test_the_first_order_is_the_slope_at_the_end_times_the_first_weight(trial: Trial):
    """|θ ⊙ ∂L/∂θ_M|, which is not the full derivative."""
    hand = ByHand(trial, 0.3)
    last = hand.after(3, [np.ones_like(weight) for weight in hand.weights])
    slopes = gradient(last, hand.inputs, hand.targets)
    first, full = (Prospr(learning_rate=0.3, derivative=kind).score(trial) for kind in ("first_order", "full"))
    for name, weight, slope in zip(NAMES, hand.weights, slopes, strict=True):
        np.testing.assert_allclose(first[name].numpy(), np.abs(weight * slope), rtol=1e-9, atol=1e-15)
        assert not torch.allclose(first[name], full[name], rtol=1e-2)


@pytest.mark.parametrize("method", [Prospr(steps=0), Prospr(learning_rate=0.0, derivative="first_order")])
def test_without_a_step_it_is_snip(trial: Trial, method: Prospr):
    """No step, or steps of no length."""
    scores, snip = method.score(trial), Snip(batches=0).score(trial)
    assert all(torch.allclose(scores[name], snip[name], rtol=1e-12) for name in NAMES)


def test_the_contract():
    """On a linear, a convolutional and a recurrent network, and on a GRU with its biases."""
    check_scorer(Prospr(steps=2))
    inputs = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    check_scorer(Prospr(steps=2), model=GRU(hidden=3), task=GivenExamples(inputs, torch.arange(6) % 3, outputs=3))
