"""Penalties on weights, pruning and training again, against a loop of plain torch."""

from __future__ import annotations

import torch
from plain_loop import PlainLoop, given_trial, largest

from ticketbench.testing import carry_out, check_method
from ticketbench_methods.penalized import Penalized
from ticketbench_methods.shrinkage import Shrinkage

PRUNABLE = ("0.weight", "2.weight")


def lasso(weights):
    """0.02·Σ|θ|, biases left alone."""
    return 0.02 * sum(weights[name].abs().sum() for name in PRUNABLE)


def ridge(weights):
    """½·0.05·Σθ²."""
    return 0.025 * sum(weights[name].square().sum() for name in PRUNABLE)


def in_deviations(loop: PlainLoop) -> dict[str, torch.Tensor]:
    """|θ|/σ of live weights, σ of the live weights of each layer; below all others where there are none."""
    sizes = {}
    for name in PRUNABLE:
        weight, live = loop.weights[name], loop.mask[name].bool()
        sizes[name] = (weight.abs() / weight[live].std(correction=0)).where(live, -1)
    return sizes


def test_two_rounds_are_those_of_a_plain_loop():
    """L1 before and L2 after pruning to 51 (72·√½ = 50.9) and 36 of 72 weights; 12 steps each, momenta fresh."""
    trial = given_trial()
    loop = PlainLoop(trial)
    method = Penalized(penalty="l1", retraining="l2", l1=0.02, l2=0.05, rounds=2, scheme="distribution")
    counts = []
    for number, request in enumerate(method.draw(trial)):
        if number:
            mask = largest(in_deviations(loop), (51, 36)[number - 1])
            loop.put(mask)
            loop.restart()
            loop.check(trial)
        loop.train(12, ridge if number else lasso)
        carry_out(trial, request)
        loop.check(trial)
        counts.append(sum(int(part.sum()) for part in trial.mask.values()))
    assert counts == [72, 51, 36]
    assert trial.step == trial.total_steps


def test_which_penalty_is_when():
    """The same after pruning as before, another, or none; and nothing after pruning where it stops."""
    l1, l2 = Shrinkage(l1=1e-4), Shrinkage(l2=5e-4)
    expected = {
        Penalized(): [l2, l2],
        Penalized(penalty="l1"): [l1, l1],
        Penalized(penalty="l1", retraining="l2"): [l1, l2],
        Penalized(retraining="none", rounds=2): [l2, None, None],
        Penalized(then="stop"): [l2],
        Penalized(rounds=2, then="stop"): [l2, l2],
    }
    for method, regimes in expected.items():
        trial, asked = given_trial(steps=1), []
        for request in method.draw(trial):
            asked.append(request.regime)
            carry_out(trial, request)
        assert asked == regimes
        assert method.trainings(0.5) == len(regimes)
        assert sum(int(part.sum()) for part in trial.mask.values()) == 36
    dense = given_trial(density=1.0)
    assert [request.regime for request in Penalized(rounds=3).draw(dense)] == [l2]
    assert Penalized(rounds=3).trainings(1.0) == 1


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Penalized(penalty="l1", rounds=2, retraining="none"))
