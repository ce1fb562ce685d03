"""Gradients of several members at once, against those that each trial takes alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from ticketbench import Examples, Model, Regime, Shapes
from ticketbench.engine import dense_gradient as file
from ticketbench.engine.dense_gradient import dense_gradient
from ticketbench.testing import carry_out
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.fleet import three_members
from ticketbench.testing.worlds import WORLDS, World


@pytest.fixture(params=[1, 2, 3], ids=["one by one", "two at a time", "all at once"])
def at_once(request, monkeypatch) -> int:
    """How many members go through the network together."""
    monkeypatch.setattr(file, "members_at_once", lambda bench, size: request.param)
    return request.param


def compared(world, examples: Examples, at_once: int) -> None:
    """The gradients of three members, and of the last and the first, twice each, against each trial's own."""
    bench, trials = three_members(world.model, world.task)
    _, twins = three_members(world.model, world.task)
    for order in ([0, 1, 2], [2, 0]):
        found = dense_gradient(bench, [trials[at] for at in order], examples)
        for row, at in enumerate(order):
            twin = twins[at]
            batches = twin.batches(1, examples.size) if examples.kind == "batch" else twin.batches(0, examples.size)
            for name, part in twin.gradient(next(batches)).items():
                if at_once == 1:
                    assert found[name][row].equal(part)
                torch.testing.assert_close(found[name][row], part, rtol=1e-4, atol=1e-6)
    for trial, twin in zip(trials, twins, strict=True):
        assert trial.spent.flops == pytest.approx(twin.spent.flops, rel=1e-6)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.words)
@pytest.mark.parametrize("examples", [Examples(), Examples("batch", 7), Examples("slice", 9), Examples("slice", 10**6)])
def test_gradients_together_are_those_of_each(world, examples: Examples, at_once: int):
    """On batches of their own, another one each time, or on the first examples; pruned places included."""
    compared(world, examples, at_once)


def test_statistics_of_the_forward_are_left_as_they_are():
    """A convolutional network with batch norm: nothing that is not trained moves."""
    world = WORLDS[1]
    bench, trials = three_members(world.model, world.task)
    before = {name: buffer.clone() for name, buffer in bench.stack.buffers.items()}
    dense_gradient(bench, trials, Examples())
    assert all(buffer.equal(before[name]) for name, buffer in bench.stack.buffers.items())


@dataclass(frozen=True)
class Dropping(Model):
    """Half of the hidden units, drawn at every forward."""

    name = "dropping"
    summary = "for tests"

    def build(self, shapes: Shapes) -> nn.Module:
        """6-20-3 with dropout."""
        return nn.Sequential(nn.Linear(*shapes.inputs, 20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, shapes.outputs))


def test_what_a_forward_draws_is_each_members_own(at_once: int):
    """The same numbers as alone, and others at the next call."""
    compared(World("a network that drops units", Dropping(), Blobs()), Examples("slice", 30), at_once)


@dataclass(frozen=True)
class Halved(Regime):
    """The forward sees half of every weight."""

    def computed(self, step):
        return {name: weight / 2 for name, weight in step.weights.items()}


def test_under_a_regime_it_is_taken_at_what_the_forward_sees(at_once: int):
    """As `trial.gradient`, which takes it there, too."""
    world = WORLDS[0]
    bench, trials = three_members(world.model, world.task)
    for trial in trials:
        trial.enter(Halved())
        carry_out(trial, trial.train(until=9, regime=Halved()))
    _, twins = three_members(world.model, world.task)
    for twin in twins:
        twin.enter(Halved())
        carry_out(twin, twin.train(until=9, regime=Halved()))
    found = dense_gradient(bench, trials, Examples())
    for at, twin in enumerate(twins):
        for name, part in twin.gradient(next(twin.batches())).items():
            torch.testing.assert_close(found[name][at], part, rtol=1e-4, atol=1e-6)


def test_it_can_be_taken_elsewhere(at_once: int):
    """At twice the biases, which are given for each member."""
    world = WORLDS[0]
    bench, trials = three_members(world.model, world.task)
    _, twins = three_members(world.model, world.task)
    biases = {name: 2 * part.detach() for name, part in bench.stack.parameters.items() if name.endswith("bias")}
    found = dense_gradient(bench, trials, Examples(), biases)
    assert found.keys() == biases.keys()
    for at, twin in enumerate(twins):
        own = {name: part[at].clone().requires_grad_(True) for name, part in biases.items()}
        loss = twin.loss(next(twin.batches()), own)
        for name, part in zip(own, torch.autograd.grad(loss, list(own.values())), strict=True):
            torch.testing.assert_close(found[name][at], part, rtol=1e-4, atol=1e-6)
