"""Grow and prune against an implementation of its own in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stepwise import EXAMPLES, NAMES, Bits, Reference, exact_trial, top

from ticketbench import OptionError, Prune, Remask, Train, Trial
from ticketbench.testing import GivenExamples, carry_out, check_method, run_method
from ticketbench_methods.grow_and_prune import GrowAndPrune
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.magnitude import Magnitude

QUICK = GrowAndPrune(every=4, seed=0.5, peak=1.8, grown=0.4, stop=0.8)


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network in float64 at density ½; 40 steps on all 24 examples at once."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def best(scores: list[np.ndarray], count: int, allowed: list[Bits]) -> list[Bits]:
    """The best of both layers."""
    flat = np.concatenate([part.ravel() for part in scores])
    kept = top(flat, count, np.concatenate([part.ravel() for part in allowed]))
    return [part.reshape(one.shape) for part, one in zip(np.split(kept, [48]), allowed, strict=True)]


@pytest.mark.parametrize("examples", [EXAMPLES, 5])
def test_training_equals_a_step_by_step_reference(trial: Trial, examples: int):
    """18 weights of 72, 65 at step 16, 36 at step 32 of 40: weights, slots and masks after every change."""
    method = GrowAndPrune(every=4, seed=0.5, peak=1.8, grown=0.4, stop=0.8, scope="global", examples=examples)
    requests = method.draw(trial)
    request = next(requests)
    reference = Reference.of(trial)
    reference.put([trial.mask[name].numpy() for name in NAMES])
    counts = [int(sum(mask.sum() for mask in reference.masks))]
    growing, pruning = [29, 41, 53, 65], [round(65 * (36 / 65) ** (k / 4)) for k in (1, 2, 3)] + [36]
    for number, count in enumerate([*growing, *pruning]):
        assert isinstance(request, Train)
        assert request.until == 4 * (number + 1)
        reference.train(request.until)
        carry_out(trial, request)
        reference.check(trial)
        request = next(requests)
        assert isinstance(request, Remask if number < 4 else Prune)
        if number < 4:
            slopes = [np.abs(slope) for slope in reference.slopes(examples)]
            dormant = [~mask for mask in reference.masks]
            woken = best(slopes, count - counts[-1], dormant)
            reference.put([mask | new for mask, new in zip(reference.masks, woken, strict=True)])
        else:
            reference.put(best([np.abs(weight) for weight in reference.weights], count, reference.masks))
        counts.append(count)
        carry_out(trial, request)
        reference.check(trial)
        request = next(requests, None)
    assert request is None
    assert counts == [18, *growing, *pruning]
    reference.train(40)
    carry_out(trial, trial.train())
    reference.check(trial)
    assert [finding[2:] for finding in trial.findings] == [("peak", 65 / 72)]


def test_layers_share_what_is_woken(trial: Trial):
    """A seed of 12 and 6; with 36 and 18 dormant, both wake the same share at every change, and end at half."""
    seen = []
    for request in QUICK.draw(trial):
        if isinstance(request, Train):
            seen.append([int(trial.mask[name].sum()) for name in NAMES])
        carry_out(trial, request)
    assert seen[0] == [12, 6]
    assert all(abs(first - 2 * second) <= 2 for first, second in seen)
    assert [int(trial.mask[name].sum()) for name in NAMES] == [24, 12]


def test_a_peak_of_more_than_there_is_is_everything():
    """At density 0.8 the peak is the dense network."""
    (outcome,) = run_method(GrowAndPrune(every=4), Magnitude(), densities=(0.8,))
    assert [finding[3] for finding in outcome.findings] == [1.0]
    assert sum(int(part.sum()) for part in outcome.mask.values()) == 72


def test_changes_that_do_not_fit_say_so():
    """Every 100 of 40 steps: how many changes there are, and what would fit."""
    with pytest.raises(OptionError, match=r"up to the share grown = 0\.25 of 40 steps, .* every = 10, or other shares"):
        GrowAndPrune().moments(40)
    assert GrowAndPrune(every=10).moments(40) == ([10], [20, 30])


def test_the_contract_and_a_recurrent_network():
    """Exact density, nothing leaks, and the same alone and in a fleet; on a GRU, too."""
    check_method(GrowAndPrune(every=4))
    inputs = torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(1))
    task = GivenExamples(inputs, torch.arange(8) % 3, outputs=3)
    found = run_method(GrowAndPrune(every=4), Magnitude(), model=GRU(hidden=5), task=task, seeds=(0, 1, 2, 3))
    (single,) = run_method(GrowAndPrune(every=4), Magnitude(), model=GRU(hidden=5), task=task, seeds=(2,))
    assert [outcome.status for outcome in found] == ["ok"] * 4
    assert all(part.equal(found[2].mask[name]) for name, part in single.mask.items())
    assert sum(int(part.sum()) for part in single.mask.values()) == round(0.5 * 15 * 8)
