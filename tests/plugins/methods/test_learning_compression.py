"""Learning-compression, against an augmented Lagrangian written out in a loop of plain torch."""

from __future__ import annotations

import math

import pytest
import torch
from plain_loop import PlainLoop, given_trial, largest

from ticketbench import OptionError
from ticketbench.testing import carry_out, check_method, reported_by
from ticketbench_methods.learning_compression import LearningCompression, projected

PRUNABLE = ("0.weight", "2.weight")


def test_a_projection_by_hand():
    """The three largest of both layers stay as they are, the first of equals; the rest is zero."""
    weights = {"a": torch.tensor([[1.0, -3.0], [2.0, 0.0]]), "b": torch.tensor([-2.0, 5.0])}
    found = projected(weights, 3)
    assert found["a"].tolist() == [[0.0, -3.0], [2.0, 0.0]]
    assert found["b"].tolist() == [0.0, 5.0]


@pytest.mark.parametrize("multipliers", [True, False])
def test_alternations_are_those_of_a_plain_loop(multipliers: bool):
    """12 dense steps, then three turns of 4 with μ = 0.5, 1 and 2; the 36 largest of 72 places, with θ's values."""
    trial = given_trial()
    loop = PlainLoop(trial)
    method = LearningCompression(turns=3, first=0.5, factor=2.0, multipliers=multipliers, then="stop")
    requests = method.draw(trial)
    for _ in range(2):
        carry_out(trial, next(requests))
    loop.train(12)
    loop.restart()
    loop.check(trial)
    assert trial.step == 0

    def nearest(weights):
        mask = largest({name: part.abs() for name, part in weights.items()}, 36)
        return {name: part * mask[name] for name, part in weights.items()}

    sparse = nearest({name: loop.weights[name] for name in PRUNABLE})
    lam = {name: torch.zeros_like(part) for name, part in sparse.items()}
    for pull, end in zip((0.5, 1.0, 2.0), (4, 8, 12), strict=True):
        request = next(requests)
        assert request.until == end

        def attraction(weights, pull=pull, sparse=sparse, lam=lam):
            parts = [(weights[name] - sparse[name] - lam[name] / pull).square().sum() for name in PRUNABLE]
            return pull / 2 * sum(parts)

        loop.train(4, attraction)
        carry_out(trial, request)
        loop.check(trial)
        sparse = nearest({name: loop.weights[name] - lam[name] / pull for name in PRUNABLE})
        if multipliers:
            lam = {name: lam[name] - pull * (loop.weights[name] - sparse[name]) for name in PRUNABLE}
    apart = math.sqrt(sum(float((loop.weights[name] - sparse[name]).square().sum()) for name in PRUNABLE))
    length = math.sqrt(sum(float(loop.weights[name].square().sum()) for name in PRUNABLE))
    assert next(requests, None) is None
    for name in PRUNABLE:
        torch.testing.assert_close(trial.weights[name], sparse[name], rtol=1e-8, atol=1e-11)
        assert trial.mask[name].equal(sparse[name] != 0)
    assert [finding[2:] for finding in trial.findings] == [("distance", pytest.approx(apart / length))]
    assert len(reported_by(trial)) == 1


def test_the_pull_never_overshoots():
    """μ grows tenfold from 1 a turn, and stays at 1/η = 10."""
    trial, pulls = given_trial(), []
    for request in LearningCompression(turns=4, first=1.0, factor=10.0).draw(trial):
        carry_out(trial, request)
        pulls += [float(trial.extras["pull"])] if request.regime is not None and trial.step else []
    assert pulls == pytest.approx([1, 10, 10, 10])
    assert trial.step == 0  # what was found is trained once more
    assert sum(int(part.sum()) for part in trial.mask.values()) == 36


def test_turns_need_steps_and_trainings_are_counted():
    """A turn takes a step at least; at density 1 there is nothing to do."""
    with pytest.raises(OptionError, match=r"turns = 30 do not fit into a schedule of 12 steps"):
        next(LearningCompression().draw(given_trial()))
    assert list(LearningCompression().draw(given_trial(density=1.0))) == []
    assert [LearningCompression(then=then).trainings(0.5) for then in ("finetune", "stop")] == [3, 2]
    assert LearningCompression().trainings(1.0) == 1


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(LearningCompression(turns=4))
