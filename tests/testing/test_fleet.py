"""What tests of plugins see of the engine: trainings, optimizers, reports and stacked passes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional

from ticketbench import Regime, Shapes
from ticketbench.testing import (
    RECIPE,
    Blobs,
    Tiny,
    carry_out,
    optimizer_of,
    outputs_on_shared,
    reported_by,
    run_method,
    stacked_pass,
    train,
    trial_for,
)
from ticketbench.testing.parts import Halfway


def test_a_training_is_that_of_a_run():
    """In two parts: weights and statistics after 40 steps are those of a whole life, bit for bit."""
    (outcome,) = train(Tiny(), seeds=(3,))
    trial = trial_for(seed=3)
    for until in (15, 40):
        carry_out(trial, trial.train(until))
        assert trial.step == until
    assert all(part.equal(outcome.weights[name]) for name, part in trial.parameters.items())
    assert all(part.equal(outcome.weights[name]) for name, part in trial.snapshot().buffers.items())


def test_another_order_and_masks_are_trained_as_requested():
    """Another order leads elsewhere; the weights under trained masks stay, half of each layer is kept."""
    plain, other, masks = (trial_for() for _ in range(3))
    carry_out(plain, plain.train())
    carry_out(other, other.train(order=1))
    start = masks.parameters
    carry_out(masks, masks.train(masks="layerwise"))
    assert not plain.weights["0.weight"].equal(other.weights["0.weight"])
    assert [int(part.sum()) for part in masks.mask.values()] == [30, 15]
    assert all(part.equal(start[name].where(masks.mask[name], 0)) for name, part in masks.weights.items())


@dataclass(frozen=True)
class Halved(Regime):
    """The forward sees half of each weight, and a held number beside it."""

    def extras(self, weights, generator):
        return {"held": torch.ones(())}

    def rate(self, name):
        return 0.0

    def computed(self, step):
        return {name: step.weights[name] / 2 for name in step.mask}


def test_a_training_under_a_regime_begins_it_and_a_plain_one_ends_it():
    """What is held beside the weights is there from the first request on; then halves become the weights."""
    trial = trial_for()
    for until in (0, 3):
        carry_out(trial, trial.train(until, regime=Halved()))
        assert set(trial.extras) == {"held"}
        assert trial.computed["0.weight"].equal(trial.weights["0.weight"] / 2)
    seen = trial.computed
    carry_out(trial, trial.train(until=3))
    assert trial.extras == {}
    assert all(part.equal(seen[name]) for name, part in trial.parameters.items())


def test_the_optimizers_state_is_a_copy():
    """Momentum after a first step of SGD is the gradient with its decay; writing into it changes nothing."""
    trial = trial_for(recipe=RECIPE.model_copy(update={"batch": 96, "weight_decay": 0.0}))
    gradient = trial.gradient(next(trial.batches(0, 96)))
    carry_out(trial, trial.train(until=1))
    state = optimizer_of(trial)
    assert state.updates == 1
    torch.testing.assert_close(state.slots["momentum_buffer"]["3.weight"], gradient["3.weight"])
    state.slots["momentum_buffer"]["3.weight"].fill_(7.0)
    assert not bool((optimizer_of(trial).slots["momentum_buffer"]["3.weight"] == 7).any())
    trial.restart()
    assert optimizer_of(trial).updates == 0


def test_reports_wait_in_their_order():
    """A copy of the network at each; in a run they have been judged in the end."""
    trial = trial_for()
    trial.report()
    before = trial.parameters
    trial.prune(0.5, scores={name: part.abs() for name, part in trial.weights.items()})
    trial.report()
    first, second = reported_by(trial)
    assert (first.density, second.density) == (1.0, 0.5)
    assert all(part.equal(before[name]) for name, part in first.weights.items())
    assert int(torch.count_nonzero(second.weights["0.weight"])) < 60
    (outcome,) = run_method(Halfway())
    assert reported_by(outcome.trial) == []


def test_a_stack_on_shared_inputs_computes_what_its_members_do():
    """In evaluation mode, on one batch for both."""
    task = Blobs(Shapes((6,), 3))
    modules = [trial_for(seed=seed).module.eval() for seed in (0, 1)]
    inputs = task.test().inputs
    (outputs,) = outputs_on_shared(Tiny(), modules, task, inputs)
    for member, module in enumerate(modules):
        torch.testing.assert_close(outputs[member], module(inputs))


def test_a_stacked_pass_has_losses_and_leaves_what_is_carried_alone():
    """Each member's loss on its own examples; buffers that stand in for the modules' are moved on in a copy."""
    task, split = Blobs(), Blobs().training()[0]
    modules = [trial_for(seed=seed).module for seed in (0, 1)]
    inputs, targets = split.inputs.view(2, 48, 6), split.targets.view(2, 48)
    means = torch.full((2, 10), 3.0)
    found = stacked_pass(Tiny(), modules, task, inputs, targets, {}, training=True, carried={"1.running_mean": means})
    for member, module in enumerate(modules):
        loss = functional.cross_entropy(module.train()(inputs[member]), targets[member])
        assert float(found.losses[member]) == pytest.approx(float(loss.detach()), rel=1e-5)
        moved = found.buffers["1.running_mean"][member] - module[1].running_mean
        torch.testing.assert_close(moved, torch.full((10,), 0.9 * 3.0))
    assert bool((means == 3).all())


def test_what_is_no_trial_of_the_engine_is_said_to_be_none():
    """The error names what would be one."""
    with pytest.raises(TypeError, match=r"only a trial that the engine made .* take trial_for\(\.\.\.\)"):
        optimizer_of(object())
