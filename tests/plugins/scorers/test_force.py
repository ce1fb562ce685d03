"""FORCE and iterative SNIP, against rounds that are written out in NumPy and against the method `iterative`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stepwise import NAMES, Array, exact_trial, gradient
from trainings import trainings

from ticketbench import Trial
from ticketbench.testing import GivenExamples, check_scorer
from ticketbench_methods.iterative import Iterative
from ticketbench_methods.oneshot import OneShot
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.force import Force
from ticketbench_scorers.snip import Snip


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network in float64, to be pruned to a tenth."""
    found = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    found.density = 0.1
    return found


def by_hand(trial: Trial, rounds: int, recover: bool) -> tuple[Array, int]:
    """The mask of the last round, flat, and how often a weight came back."""
    (examples,) = trial.batches(0)
    weights = [trial.weights[name].numpy() for name in NAMES]
    flat = np.concatenate([weight.ravel() for weight in weights])
    kept, returned = np.ones(72, dtype=bool), 0
    for number in range(1, rounds + 1):
        parts = np.split(flat * kept, [48])
        live = [part.reshape(weight.shape) for part, weight in zip(parts, weights, strict=True)]
        slopes = gradient(live, examples.inputs.numpy(), examples.targets.numpy())
        scores = np.abs(flat * np.concatenate([slope.ravel() for slope in slopes]))
        if not recover:
            scores[~kept] = -1
        before, kept = kept, np.zeros(72, dtype=bool)
        kept[np.argsort(-scores, kind="stable")[: int(72 * 0.1 ** (number / rounds) + 0.5)]] = True
        returned += int((kept & ~before).sum())
    return kept, returned


@pytest.mark.parametrize("recover", [True, False])
def test_rounds_equal_those_by_hand(trial: Trial, recover: bool):
    """Six rounds to 7 of 72 weights; with recovery some come back, without it none does."""
    expected, returned = by_hand(trial, 6, recover)
    trial.scorer = Force(rounds=6, recover=recover, batches=0)
    OneShot().draw(trial)
    found = np.concatenate([trial.mask[name].numpy().ravel() for name in NAMES])
    assert (found.tolist(), int(found.sum())) == (expected.tolist(), 7)
    assert (returned > 0) == recover


def test_one_round_is_snip(trial: Trial):
    """Whether or not weights may come back."""
    for recover in (True, False):
        scores, snip = Force(rounds=1, recover=recover, batches=0).score(trial), Snip(batches=0).score(trial)
        assert all(torch.allclose(scores[name], snip[name], rtol=1e-12) for name in NAMES)


def test_without_recovery_it_is_the_method_iterative_with_snip(trial: Trial):
    """The same mask."""
    trial.scorer = Snip(batches=0)
    start = trial.snapshot()
    everything = trial.mask
    list(trainings(Iterative(rounds=6), trial))
    expected = trial.mask
    trial.set_mask(everything)
    trial.rewind(start)
    trial.scorer = Force(rounds=6, recover=False, batches=0)
    OneShot().draw(trial)
    assert all(trial.mask[name].equal(expected[name]) for name in NAMES)


def test_weights_that_were_pruned_before_stay_out(trial: Trial):
    """A quarter is gone already: none of it comes back."""
    mask = trial.mask
    mask["1.weight"][:3] = False
    trial.set_mask(mask)
    trial.scorer = Force(rounds=4, batches=0)
    trial.density = 0.5
    OneShot().draw(trial)
    assert sum(int(part.sum()) for part in trial.mask.values()) == 36
    assert not trial.mask["1.weight"][:3].any()


def test_the_contract():
    """On a linear, a convolutional and a recurrent network, and on a GRU."""
    check_scorer(Force(rounds=3))
    check_scorer(Force(rounds=3, recover=False), model=GRU(hidden=3), task=sequences())


def sequences() -> GivenExamples:
    """Six sequences of three classes."""
    inputs = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    return GivenExamples(inputs, torch.arange(6) % 3, outputs=3)
