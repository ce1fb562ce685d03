"""RigL against an implementation of its own in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ticketbench import Split, Trial
from ticketbench.train import Goal, train
from ticketbench_methods.rigl import Rigl

Array = NDArray[np.float64]
NAMES = ("1.weight", "3.weight")
EXAMPLES = 24


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network without biases in float64; SGD with momentum, 40 steps on all 24 examples at once."""
    path = tiny_suite(
        ('"blobs"', f'{{ name = "blobs", examples = {EXAMPLES} }}'), ("hidden = [8]", "hidden = [8], bias = false"),
        ('optimizer = "adam"\nlearning_rate = 1e-2', 'optimizer = "sgd"\nlearning_rate = 0.1\nmomentum = 0.9'),
        ("batch = 20\nsteps = 20", f"batch = {EXAMPLES}\nsteps = 40"), ('["dense", "magnitude"]', '["rigl"]'),
    )  # fmt: skip
    _, cells = cells_of(path)
    made = trial_of(cells[0])
    bench = made._bench
    bench.stack.parameters = {
        name: part.detach().double().requires_grad_(True) for name, part in bench.stack.parameters.items()
    }
    bench.data.train = Split(bench.data.train.inputs.double(), bench.data.train.targets)
    return made


def follow(trial: Trial, request) -> None:
    """Train as the engine would."""
    stepper, _ = trial._bench.stepper([0])
    train(stepper, trial._bench.data, [trial.seed], request.until, Goal("accuracy", True))


def gradient(weights: list[Array], inputs: Array, targets: NDArray[np.int64]) -> list[Array]:
    """The gradient of the mean cross-entropy of two linear layers with ReLU between them, pruned places included."""
    hidden = inputs @ weights[0].T
    logits = np.maximum(hidden, 0) @ weights[1].T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = shares / shares.sum(axis=1, keepdims=True)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ weights[1]) * (hidden > 0)
    return [back.T @ inputs, error.T @ np.maximum(hidden, 0)]


def top(scores: Array, count: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The highest of the allowed places, the lower index first among equals."""
    places = np.flatnonzero(allowed.ravel())
    order = places[np.argsort(-scores.ravel()[places], kind="stable")][:count]
    mask = np.zeros(scores.size, dtype=bool)
    mask[order] = True
    return mask.reshape(scores.shape)


def updated(mask: NDArray[np.bool_], weight: Array, slope: Array, fraction: float) -> NDArray[np.bool_]:
    """Algorithm 1: drop the smallest, then grow among everything that was not kept."""
    replaced = int(mask.sum() * fraction)
    stays = top(np.abs(weight), int(mask.sum()) - replaced, mask)
    return stays | top(np.abs(slope), replaced, ~stays)


def test_training_equals_a_step_by_step_reference(trial):
    """40 steps, updates at 5, 10, … 25: weights, momenta and masks after each stretch, and to the end."""
    method = Rigl(every=5, stop=0.75)
    requests = method.draw(trial)
    request = next(requests)
    masks = [trial.mask[name].numpy() for name in NAMES]
    weights = [trial.weights[name].numpy().copy() for name in NAMES]
    momenta = [np.zeros_like(weight) for weight in weights]
    inputs, targets = trial._bench.data.train.inputs.numpy(), trial._bench.data.train.targets.numpy()
    active, changed, stops = [int(mask.sum()) for mask in masks], [], []
    assert sum(active) == 36
    step = 0
    while True:
        until = 40 if request is None else request.until
        stops.append(until)
        for _ in range(step, until):
            for at, slope in enumerate(gradient(weights, inputs, targets)):
                momenta[at] = 0.9 * momenta[at] + slope * masks[at]
                weights[at] = weights[at] - 0.1 * momenta[at]
        follow(trial, trial.train(until))
        step = until
        compare(trial, weights, momenta, masks)
        if request is None:
            break
        fraction = 0.3 / 2 * (1 + math.cos(math.pi * step / 30))
        slopes = gradient(weights, inputs, targets)
        before = masks
        masks = [updated(*parts, fraction) for parts in zip(masks, weights, slopes, strict=True)]
        weights = [np.where(mask, weight, 0) for mask, weight in zip(masks, weights, strict=True)]
        momenta = [np.where(mask, momentum, 0) for mask, momentum in zip(masks, momenta, strict=True)]
        changed.append(sum(int((old != new).sum()) for old, new in zip(before, masks, strict=True)))
        request = next(requests, None)
        compare(trial, weights, momenta, masks)
        assert [int(mask.sum()) for mask in trial.mask.values()] == active
    assert stops == [5, 10, 15, 20, 25, 40]
    assert max(changed) > 0


def compare(trial: Trial, weights: list[Array], momenta: list[Array], masks: list[NDArray[np.bool_]]) -> None:
    """The trial's state is that of the reference."""
    slots = trial._bench.stack.slots["momentum_buffer"]
    for name, weight, momentum, mask in zip(NAMES, weights, momenta, masks, strict=True):
        assert np.array_equal(trial.mask[name].numpy(), mask)
        np.testing.assert_allclose(trial.weights[name].numpy(), weight, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(slots[name][0].numpy(), momentum, rtol=1e-9, atol=1e-13)


VALUES = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 1.0, 3.0])


@settings(deadline=None)
@given(st.integers(1, 12), st.floats(0, 1), st.data())
def test_an_update_with_ties_equals_the_reference(size: int, fraction: float, data):
    """Equal weights and equal gradients are dropped and grown by index; the count does not change."""
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    weight = torch.tensor(data.draw(st.lists(VALUES, min_size=size, max_size=size))) * mask
    slope = torch.tensor(data.draw(st.lists(VALUES, min_size=size, max_size=size)))
    found = Rigl.updated(mask, weight, slope, fraction)
    assert found.tolist() == updated(mask.numpy(), weight.numpy(), slope.numpy(), fraction).tolist()
    assert int(found.sum()) == int(mask.sum())


def test_an_update_by_hand():
    """Of 4 active weights half are dropped, 1 and -1; the steepest two of the free places grow, one just dropped."""
    mask = torch.tensor([True, True, True, True, False, False])
    weight = torch.tensor([1.0, -3.0, 2.0, -1.0, 0.0, 0.0])
    slope = torch.tensor([0.5, 9.0, 9.0, 0.1, -0.7, 0.4])
    assert Rigl.updated(mask, weight, slope, 0.5).tolist() == [True, True, True, False, True, False]


def test_a_just_dropped_weight_that_grows_back_keeps_its_value_and_a_new_one_starts_at_zero(trial):
    """Everything is dropped (f = 1): what returns keeps value and momentum, what is new has zeros in both."""
    requests = Rigl(every=5, fraction=1.0, schedule="constant").draw(trial)
    follow(trial, next(requests))
    mask = trial.mask
    weights = {name: weight.clone() for name, weight in trial.weights.items()}
    slots = {name: trial._bench.stack.slots["momentum_buffer"][name][0].clone() for name in NAMES}
    next(requests)
    back = {name: trial.mask[name] & mask[name] for name in NAMES}
    new = {name: trial.mask[name] & ~mask[name] for name in NAMES}
    assert sum(int(part.sum()) for part in back.values()) > 0
    assert sum(int(part.sum()) for part in new.values()) > 0
    for name in NAMES:
        slot = trial._bench.stack.slots["momentum_buffer"][name][0]
        for tensor, before in ((trial.weights[name], weights[name]), (slot, slots[name])):
            assert tensor[back[name]].equal(before[back[name]])
            assert int(torch.count_nonzero(before[back[name]])) > 0
            assert int(torch.count_nonzero(tensor[new[name]])) == 0


def test_the_share_that_is_replaced(trial):
    """Cosine from 0.3 to 0 at the stop, constant, or with the learning rate."""
    cosine = [Rigl().fraction_at(step, 30, trial) for step in (0, 10, 15, 30)]
    assert cosine == pytest.approx([0.3, 0.225, 0.15, 0.0])
    assert Rigl(schedule="constant").fraction_at(29, 30, trial) == 0.3


def test_the_share_can_follow_the_learning_rate(tiny_suite, cells_of, trial_of):
    """Halfway down a cosine of 20 steps the rate, and so the share, is half of the first."""
    _, cells = cells_of(tiny_suite(("steps = 20", 'steps = 20\nschedule = "cosine"')))
    fraction = Rigl(schedule="learning_rate").fraction_at(10, 15, trial_of(cells[0]))
    assert fraction == pytest.approx(0.15)


def test_the_first_mask_is_drawn_by_erk(trial):
    """36 of 72 weights in the ratio 14 : 11: 20 of the first layer, 16 of the second."""
    next(Rigl().draw(trial), None)
    assert [int(mask.sum()) for mask in trial.mask.values()] == [20, 16]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_whole_run_keeps_its_density_and_leaks_nothing(tiny_suite, records_of, optimizer: str):
    """30 of 72 weights to the end, with weight decay and every slot checked by the engine."""
    path = tiny_suite(
        ('optimizer = "adam"', f'optimizer = "{optimizer}"\nweight_decay = 0.01'), ("steps = 20", "steps = 60"),
        ('["dense", "magnitude"]', '["rigl"]'), ("densities = [0.5]", "densities = [0.42]"),
    )  # fmt: skip
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 30, 60)
