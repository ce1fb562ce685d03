"""Gradual magnitude pruning against an implementation of its own in NumPy."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stepwise import NAMES, Reference, exact_trial, top
from trainings import trainings

from ticketbench import OptionError, Trial
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.gradual import Gradual
from ticketbench_scorers.magnitude import Magnitude


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network that is ranked by magnitude."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def sparsity(step: int, final: float, begin: int, every: int, count: int) -> float:
    """Equation 1 as it is printed."""
    return final + (0 - final) * (1 - (step - begin) / (count * every)) ** 3


def test_the_schedule_by_hand():
    """From step 10 to 30 of 40, every 5: 1 − s = ½ + ½·(1 − k/4)³."""
    method = Gradual(begin=0.25, end=0.75, every=5)
    expected = [(15, 0.7109375), (20, 0.5625), (25, 0.5078125), (30, 0.5)]
    assert method.updates(0.5, 40) == expected


def test_the_default_schedule_is_that_of_small_networks():
    """About steps 3,000 to 7,000 of 11,719, every 100: 41 updates, the first at 3,030 and the last at 7,030."""
    updates = Gradual().updates(0.05, 11_719)
    assert len(updates) == 41
    assert [updates[0][0], updates[-1][0]] == [3030, 7030]


@settings(deadline=None)
@given(
    st.floats(0.001, 1), st.integers(1, 4000), st.floats(0, 1), st.floats(0, 1), st.integers(1, 50), st.integers(1, 900)
)
def test_no_count_ever_rises_and_the_last_is_the_density(
    density: float, total: int, begin: float, end: float, every: int, weights: int
):
    """Updates lie Δt apart, follow equation 1, and end at the density itself, however the numbers fall."""
    assume(begin < end and round(end * total) - round(begin * total) >= every)
    updates = Gradual(begin=begin, end=end, every=every).updates(density, total)
    first, count = round(begin * total), len(updates)
    assert [step for step, _ in updates] == [first + every * number for number in range(1, count + 1)]
    assert 0 <= round(end * total) - updates[-1][0] < every
    for step, kept in updates:
        assert 1 - kept == pytest.approx(sparsity(step, 1 - density, first, every, count), abs=1e-12)
    counts = [math.floor(kept * weights + 0.5) for _, kept in updates]
    assert all(before >= after for before, after in pairwise([weights, *counts]))
    assert updates[-1][1] == density


def test_training_equals_a_step_by_step_reference(trial):
    """Layerwise, 40 steps: weights, momenta and masks before and after each update; what is pruned stays pruned."""
    requests = trainings(Gradual(begin=0.25, end=0.75, every=5), trial)
    reference, step = Reference.of(trial), 0
    # 51, 41, 37 and 36 of 72 weights, two thirds of them in the first layer, by largest remainders
    for until, counts in ((15, (34, 17)), (20, (27, 14)), (25, (25, 12)), (30, (24, 12)), (40, None)):
        request = next(requests, None)
        assert (40 if request is None else request.until) == until
        if step:
            reference.check(trial)
        reference.train(until)
        carry_out(trial, trial.train(until))
        step = until
        reference.check(trial)
        if counts is not None:
            sizes = [np.abs(weight) for weight in reference.weights]
            reference.put([top(*parts) for parts in zip(sizes, counts, reference.masks, strict=True)])
    assert request is None


def test_a_global_scope_is_exact_in_total_at_every_update(trial):
    """51, 41, 37 and 36 of 72 weights, each the largest of those left over both layers."""
    seen = []
    alive = np.ones(72, dtype=bool)
    requests = trainings(Gradual(begin=0.25, end=0.75, every=5, scope="global"), trial)
    for request in requests:
        found = np.concatenate([trial.mask[name].numpy().ravel() for name in NAMES])
        assert np.array_equal(found, alive)
        seen.append(int(found.sum()))
        carry_out(trial, request)
        size = np.concatenate([np.abs(trial.weights[name].numpy()).ravel() for name in NAMES])
        density = 1 - sparsity(request.until, 0.5, 10, 5, 4)
        alive = top(size, math.floor(Fraction(density) * 72 + Fraction(1, 2)), alive)
    found = np.concatenate([trial.mask[name].numpy().ravel() for name in NAMES])
    assert np.array_equal(found, alive)
    assert [*seen, int(found.sum())] == [72, 51, 41, 37, 36]


def test_an_update_that_does_not_fit_says_so():
    """Every 100 steps, but only 7 from step 5 to 12 of 20."""
    with pytest.raises(OptionError, match=r"every = 100 leaves no update between step 5 .* and step 12 .* at most 7"):
        Gradual().updates(0.5, 20)


def test_a_beginning_after_the_end_is_refused(tiny_suite, cells_of):
    """The suite's reader names both."""
    method = '{ method = { name = "gradual", begin = 0.7, end = 0.3 } }'
    path = tiny_suite(('{ method = "dense" }', method))
    with pytest.raises(OptionError, match=r"begin = 0.7 must be less than end = 0.3"):
        cells_of(path)


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Gradual(every=4), Magnitude())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_whole_run_is_one_training(tiny_suite, records_of, optimizer: str):
    """30 of 72 weights after as many steps as the dense network takes, with weight decay, judged once."""
    path = tiny_suite(
        ('optimizer = "adam"', f'optimizer = "{optimizer}"\nweight_decay = 0.01'),
        ('{ method = "dense" }', '{ method = { name = "gradual", every = 2 } }'),
        ('["dense", "magnitude"]', '["dense"]'),
        ("densities = [0.5]", "densities = [0.42]"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 30, 20)
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [30 / 72]
