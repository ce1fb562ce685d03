"""RigL against an implementation of its own in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from stepwise import EXAMPLES, Reference, dropped_and_grown, exact_trial, explored, walk
from torch import Tensor

from ticketbench import Trial
from ticketbench.testing import carry_out
from ticketbench_methods.rigl import GrowByGradient, Rigl


def grown(examples: int = EXAMPLES):
    """Algorithm 1 with a cosine to step 30, and the gradient on the first examples."""

    def update(reference: Reference):
        fraction = 0.3 / 2 * (1 + math.cos(math.pi * reference.step / 30))
        scores = [np.abs(slope) for slope in reference.slopes(examples)]
        return dropped_and_grown(reference.masks, reference.weights, scores, fraction)

    return update


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_equals_a_step_by_step_reference(tiny_suite, cells_of, trial_of, optimizer: str):
    """40 steps, updates at 5, 10, … 25: weights, slots and masks before and after each, and at the end."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)
    masks = walk(trial, Rigl(every=5), grown(), optimizer)
    assert [int(mask.sum()) for mask in masks[0]] == [20, 16]
    assert len(masks) == 6
    assert explored(masks) > 0.5
    assert [finding[2:] for finding in trial.findings] == [("explored", explored(masks))]


def test_the_gradient_can_be_that_of_a_fixed_slice(tiny_suite, cells_of, trial_of):
    """Of the first five examples at every update; the masks are others than those of all examples."""

    def trial() -> Trial:
        return exact_trial(tiny_suite, cells_of, trial_of, "rigl")

    few = walk(trial(), Rigl(every=5, gradient="slice", examples=5), grown(5))
    every = walk(trial(), Rigl(every=5, gradient="slice", examples=1000), grown())
    assert any(not np.array_equal(one, other) for one, other in zip(few[-1], every[-1], strict=True))


def test_the_gradient_of_a_batch_is_that_of_another_batch_each_time(tiny_suite, cells_of, trial_of):
    """Twice the same network, and other scores."""
    path = tiny_suite(('["dense", "magnitude"]', '["rigl"]'))
    _, cells = cells_of(path)
    trial = trial_of(cells[0])
    trial.prune()
    first = trial.snapshot()

    def masks(rule: GrowByGradient) -> list[dict[str, Tensor]]:
        """Of three updates that begin with the same mask and weights and replace all."""
        before, found = trial.mask, []
        for _ in range(3):
            carry_out(trial, trial.remask(rule, fraction=1.0))
            found.append(trial.mask)
            trial.set_mask(before)
            trial.rewind(first)
        return found

    batches, slices = masks(Rigl().rule()), masks(Rigl(gradient="slice", examples=7).rule())
    assert any(not batches[0][name].equal(batches[1][name]) for name in batches[0])
    assert all(slices[0][name].equal(slices[at][name]) for name in slices[0] for at in (1, 2))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_whole_run_keeps_its_density_and_leaks_nothing(tiny_suite, records_of, optimizer: str):
    """30 of 72 weights to the end, with weight decay and every slot checked by the engine."""
    path = tiny_suite(
        ('optimizer = "adam"', f'optimizer = "{optimizer}"\nweight_decay = 0.01'),
        ("steps = 20", "steps = 60"),
        ('["dense", "magnitude"]', '["rigl"]'),
        ("densities = [0.5]", "densities = [0.42]"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 30, 60)
