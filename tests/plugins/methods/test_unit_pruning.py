"""Rounds of removing units: nested, at most the density, on networks of three kinds."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from trainings import trainings

from ticketbench import TicketError
from ticketbench.testing import GivenExamples, carry_out, run_method, trial_for
from ticketbench_methods.taylor_units import TaylorUnits
from ticketbench_methods.unit_pruning import UnitPruning
from ticketbench_models.lenet import LeNet5
from ticketbench_models.mlp import MLP
from ticketbench_models.recurrent import GRU


def examples(*shape: int) -> GivenExamples:
    """Nine examples of three classes."""
    inputs = torch.randn(9, *shape, generator=torch.Generator().manual_seed(1))
    return GivenExamples(inputs, torch.arange(9) % 3, outputs=3)


CASES = {
    "mlp": (MLP(hidden=(12, 8)), examples(6), 0.4),
    "lenet5": (LeNet5(), examples(1, 12, 12), 0.3),
    "gru": (GRU(hidden=8), examples(4, 3), 0.4),
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("rounds", [1, 2])
def test_networks_get_smaller(kind: str, rounds: int):
    """At most as many weights as the density says, and nearly so; the record has a point a round and the last one."""
    model, task, density = CASES[kind]
    one, again = run_method(
        TaylorUnits(rounds=rounds, examples=0), model=model, task=task, densities=(density,), seeds=(0, 0)
    )
    kept = sum(int(part.sum()) for part in one.mask.values()) / sum(part.numel() for part in one.mask.values())
    assert one.status == "ok", one.reason
    assert 0.5 * density < kept <= density
    assert all(part.equal(again.mask[name]) for name, part in one.mask.items())
    assert TaylorUnits(rounds=rounds).trainings(density) == rounds + 1


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_rounds_are_nested_and_end_at_the_density(scope: str):
    """Three rounds: ρ^(1/3), ρ^(2/3), ρ; who has gone does not come back, and each round trains from the start."""
    model, task, _ = CASES["mlp"]
    trial = trial_for(method=TaylorUnits(), model=model, task=task, density=0.3)
    masks = []
    for request in trainings(TaylorUnits(rounds=3, scope=scope), trial):
        assert (trial.step, request.until) == (0, None)
        masks.append(trial.mask)
        carry_out(trial, request)
    masks.append(trial.mask)
    for number, (before, after) in enumerate(pairwise(masks), 1):
        assert all(bool((part <= before[name]).all()) for name, part in after.items())
        count = sum(int(part.sum()) for part in after.values())
        assert (
            0.3 ** (number / 3) * 0.6 * trial.total_weights < count <= 0.3 ** (number / 3) * trial.total_weights + 0.5
        )
    assert trial.step == 0


def test_stop_leaves_the_pruned_network_as_it_is():
    """At the end of the schedule, and nothing more is trained."""
    model, task, _ = CASES["mlp"]
    trial = trial_for(method=TaylorUnits(), model=model, task=task, density=0.3)
    for request in trainings(TaylorUnits(then="stop"), trial):
        carry_out(trial, request)
    assert trial.step == trial.total_steps
    assert [TaylorUnits(then="stop").trainings(0.3), TaylorUnits().trainings(1.0)] == [1.0, 1.0]


class Spoiled(TaylorUnits):
    """Scores that are no numbers."""

    def unit_scores(self, trial, links):
        return {name: part * torch.nan for name, part in super().unit_scores(trial, links).items()}


def test_scores_that_are_not_finite_are_refused():
    """The method is named."""
    model, task, _ = CASES["mlp"]
    trial = trial_for(method=TaylorUnits(), model=model, task=task, density=0.3)
    method: UnitPruning = Spoiled()
    requests = trainings(method, trial)
    carry_out(trial, next(requests))
    with pytest.raises(TicketError, match="'taylor_units' found scores that are not finite"):
        next(requests)
