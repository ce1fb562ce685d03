"""The contract checks that plugin authors run: they pass good plugins and catch broken promises."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from ticketbench import Method, Scorer, Shapes
from ticketbench.testing import check_method, check_model, check_scorer


@pytest.mark.parametrize("name", ["random", "magnitude", "snip", "grasp", "synflow", "fisher"])
def test_registered_scorers_keep_the_contract(plugins, name):
    """Every built-in scorer and the stranger's passes."""
    check_scorer(plugins.find("scorer", name))


@pytest.mark.parametrize("name", ["dense", "oneshot", "iterative", "imp", "rigl", "halfway"])
def test_registered_methods_keep_the_contract(plugins, name):
    """Every built-in method and the stranger's passes, ranking by magnitude where it ranks."""
    method = plugins.find("method", name)
    check_method(method, plugins.find("scorer", "magnitude") if method.ranks_by is not None else None)


def test_registered_models_keep_the_contract(plugins):
    """Stacked members equal single ones."""
    check_model(plugins.find("model", "mlp"), Shapes((5,), 3))
    check_model(plugins.find("model", "dtnet1d"), Shapes((1, 9), 2))


@dataclass(frozen=True)
class Careless(Scorer):
    """Draws from the global generator."""

    name = "careless"
    summary = "random, but not the cell's"

    def score(self, trial):
        return {name: torch.rand_like(weight) for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Vandal(Scorer):
    """Writes to the weights it should only read."""

    name = "vandal"
    summary = "changes what it scores"

    def score(self, trial):
        return {name: weight.mul_(2).abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Greedy(Method):
    """Keeps one weight too many."""

    name = "greedy"
    summary = "off by one"

    def draw(self, trial):
        mask = {name: torch.zeros_like(part) for name, part in trial.mask.items()}
        count = int(trial.density * trial.total_weights) + 1
        next(iter(mask.values())).view(-1)[:count] = True
        trial.set_mask(mask)


def test_a_scorer_with_foreign_randomness_is_caught():
    """Scores must come from the trial's own generators."""
    with pytest.raises(AssertionError, match="not deterministic"):
        check_scorer(Careless())


def test_a_scorer_that_changes_weights_is_caught():
    """Scoring only looks."""
    with pytest.raises(AssertionError, match="changed the weight"):
        check_scorer(Vandal())


def test_a_method_that_keeps_one_weight_too_many_is_caught():
    """Densities are exact to one weight."""
    with pytest.raises(AssertionError, match=r"the method left 46 of 90 weights; density 0\.5 means 45"):
        check_method(Greedy())
