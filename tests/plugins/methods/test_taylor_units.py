"""Taylor scores of units: by hand, with and without norms, and in whole runs."""

from __future__ import annotations

import pytest
import torch
from curved import trial_with
from torch import nn

from ticketbench import Trial
from ticketbench.testing import GivenExamples, check_method
from ticketbench_methods.filters import shrinkable
from ticketbench_methods.taylor_units import TaylorUnits


def hand() -> Trial:
    """Both classes of one input, hidden units (1, 2), outputs that read them by (1, −1) and its negative: −1 and 1."""
    first, second = nn.Linear(1, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [2.0]]))
        second.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    examples = GivenExamples(torch.ones(2, 1, dtype=torch.float64), torch.tensor([0, 1]), outputs=2)
    return trial_with(nn.Sequential(first, second), examples, 0.5)


def test_scores_by_hand():
    """With p = σ(2) for class 1: ∂ℓ/∂o₁ − ∂ℓ/∂o₀ is 2p, or −2(1 − p); times a·w: (p + (1 − p))·(1, 2) on average."""
    trial = hand()
    plain = TaylorUnits(normalise=False).unit_scores(trial, shrinkable(trial))["0.weight"]
    assert plain.tolist() == pytest.approx([1.0, 2.0], rel=1e-9)
    scores = TaylorUnits().unit_scores(trial, shrinkable(trial))["0.weight"]
    assert scores.tolist() == pytest.approx([5**-0.5, 2 * 5**-0.5], rel=1e-9)


def test_norms_make_layers_comparable():
    """Each layer's norm is one; without them a layer whose slopes are larger takes more of the budget."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3)
    with torch.no_grad():
        layers[4].weight *= 1e3
        layers[2].weight *= 1e-3
    inputs = torch.randn(9, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    trial = trial_with(nn.Sequential(*layers), GivenExamples(inputs, torch.arange(9) % 3, outputs=3), 0.5)
    links = shrinkable(trial)
    alive = {name: torch.ones(6, dtype=torch.bool) for name in links}
    plain, scores = (TaylorUnits(normalise=kind).unit_scores(trial, links) for kind in (False, True))
    for name, part in scores.items():
        assert float(part.norm()) == pytest.approx(1)
        assert (plain[name] / part).tolist() == pytest.approx([float(plain[name].norm())] * 6)
    taken = {
        kind: TaylorUnits(normalise=kind).strongest_of(trial, links, alive, trial.weights, 39) for kind in (False, True)
    }
    assert min(int(part.sum()) for part in taken[True].values()) > min(
        int(part.sum()) for part in taken[False].values()
    )


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_the_contract(scope: str):
    """At most the density, nothing leaks, and the same alone and in a fleet."""
    check_method(TaylorUnits(scope=scope))
