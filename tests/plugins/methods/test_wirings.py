"""Discovering neural wirings against steps written out in plain torch."""

from __future__ import annotations

import pytest
import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial

from ticketbench import Scope, Trial
from ticketbench.testing import carry_out, check_method, run_method
from ticketbench_methods.wirings import Wirings


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network at density ½."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def largest(weights: dict[str, torch.Tensor], scope: Scope) -> dict[str, torch.Tensor]:
    """Where the largest half is, of each layer or of both."""
    sizes = {name: weight.detach().abs() for name, weight in weights.items()}
    if scope == "global":
        limit = torch.cat([size.flatten() for size in sizes.values()]).sort(descending=True).values[35]
        return {name: size >= limit for name, size in sizes.items()}
    halves = {name: size.flatten().sort(descending=True).values[size.numel() // 2 - 1] for name, size in sizes.items()}
    return {name: size >= halves[name] for name, size in sizes.items()}


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_training_equals_steps_written_out(trial, scope: Scope):
    """40 steps in which unseen edges move by x·∂L/∂y, too: weights, edges that changed, and the ticket."""
    requests, plain, changes = Wirings(scope=scope).draw(trial), Plainly.of(trial, {}), []
    carry_out(trial, first := next(requests))
    assert (first.until, trial.step) == (0, 0)

    def seen(now, drawn):
        edges = largest(now.weights, scope)
        changes.append(torch.cat([part.flatten() for part in edges.values()]))
        hidden = {name: weight.detach() * edges[name] - weight.detach() for name, weight in now.weights.items()}
        return {name: weight + hidden[name] for name, weight in now.weights.items()}, 0.0

    carry_out(trial, second := next(requests))
    assert second.until == 40
    plain.train(40, seen)
    plain.check(trial)
    edges = largest(plain.weights, scope)
    for name in NAMES:
        assert trial.computed[name].equal(trial.weights[name] * edges[name])
    assert next(requests, None) is None
    assert all(trial.mask[name].equal(edges[name]) for name in NAMES)
    assert any(not one.equal(changes[0]) for one in changes)


def test_the_network_is_judged_as_it_was_last_seen():
    """One training, and members of two densities in one fleet have each its own count of edges."""
    found = run_method(Wirings(), densities=(0.5, 0.2), seeds=(0, 1))
    assert [outcome.status for outcome in found] == ["ok"] * 4
    assert [outcome.steps for outcome in found] == [40] * 4
    assert [[int(part.sum()) for part in outcome.mask.values()] for outcome in found] == [[30, 15]] * 2 + [[12, 6]] * 2
    alone = [run_method(Wirings(), densities=(density,), seeds=(1,))[0] for density in (0.5, 0.2)]
    for one, other in zip((found[1], found[3]), alone, strict=True):
        assert all(part.equal(other.mask[name]) for name, part in one.mask.items())


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Wirings(end=0.8))
