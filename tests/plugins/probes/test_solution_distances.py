"""Distances between solutions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ticketbench import TicketError, Trial
from ticketbench.plugin.trial import Companion
from ticketbench_probes.solution_distances import SolutionDistances


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """72 prunable weights and 11 biases, all zero."""
    _, cells = cells_of(tiny_suite())
    made = trial_of(cells[0])
    fill(made, 0.0, 0.0)
    return made


def fill(trial: Trial, weight: float, bias: float) -> None:
    """All weights and all biases alike."""
    trial.set_weights(
        {name: torch.full_like(part, weight if part.ndim > 1 else bias) for name, part in trial.parameters.items()}
    )


def test_every_pair_once(trial):
    """72 weights of 0, 1, 3 and 5: √72 times 1, 3, 5, 2, 4 and 2."""
    fill(trial, 1.0, 9.0)
    trial.keep("prune start")
    fill(trial, 3.0, 9.0)
    trial.keep("prune end")
    fill(trial, 0.0, 0.0)
    trial.set_out()
    fill(trial, 5.0, 9.0)
    expected = {
        "prune start | prune end": 2.0,
        "prune start | start": 1.0,
        "prune start | end": 4.0,
        "prune end | start": 3.0,
        "prune end | end": 2.0,
        "start | end": 5.0,
    }
    found = SolutionDistances().measure(trial)
    assert list(found) == list(expected)
    assert found == pytest.approx({pair: math.sqrt(72) * part for pair, part in expected.items()})


def test_what_is_never_pruned_counts_when_asked(trial):
    """11 biases 2 apart, and 72 weights 1 apart: √(72 + 44)."""
    trial.keep("prune end")
    fill(trial, 1.0, 2.0)
    assert SolutionDistances().measure(trial)["prune end | end"] == pytest.approx(math.sqrt(72))
    assert SolutionDistances(unpruned=True).measure(trial)["prune end | end"] == pytest.approx(math.sqrt(72 + 44))


def test_only_what_this_mask_keeps_counts(trial):
    """Ten weights of 2 are left here; a dense companion has 1 everywhere, one of another mask at six of the ten."""
    fill(trial, 1.0, 0.0)
    trial.keep("dense end")
    mask = {name: torch.zeros_like(part) for name, part in trial.mask.items()}
    mask["1.weight"].view(-1)[4:30] = True
    trial.set_mask(mask)
    trial.keep("other end")
    mask["1.weight"].zero_().view(-1)[:10] = True
    trial.set_mask(mask)
    fill(trial, 2.0, 0.0)
    found = SolutionDistances().measure(trial)
    assert found["dense end | end"] == pytest.approx(math.sqrt(10))
    assert found["other end | end"] == pytest.approx(math.sqrt(4 * 4 + 6 * 1))
    assert found["dense end | other end"] == pytest.approx(math.sqrt(4))


def test_sums_are_taken_in_double_precision(trial):
    """1 + 2⁻²⁴ would be 1 in single precision: twice 10⁴ apart and once 1."""
    trial.keep("prune end")
    weights = {name: torch.zeros_like(part) for name, part in trial.weights.items()}
    weights["1.weight"].view(-1)[:3] = torch.tensor([1e4, 1e4, 1.0])
    trial.set_weights(weights)
    assert SolutionDistances().measure(trial)["prune end | end"] ** 2 == pytest.approx(2e8 + 1, rel=1e-12)


def test_a_companion_may_not_have_this_networks_own_names(trial):
    """The error says what would work."""
    trial.keep("end")
    with pytest.raises(TicketError, match=r"companion 'end' has the name .* own end: .* such as 'prune end'"):
        SolutionDistances().measure(trial)


def test_networks_of_other_shapes_have_no_distance(trial):
    """As after a head was replaced; nothing is broadcast."""
    weights = {**trial.parameters, "3.weight": torch.zeros(1, 8)}
    trial.meet("prune end", Companion(weights, {}, trial.mask))
    with pytest.raises(TicketError, match=r"'prune end' and this network have no distance: their '3.weight'"):
        SolutionDistances().measure(trial)
