"""What methods that learn which weights to keep have in common: networks of all kinds, and fleets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ticketbench import Method, OptionError
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import run_method
from ticketbench_methods.l0 import L0
from ticketbench_methods.soft_threshold import SoftThreshold
from ticketbench_methods.supermask import Supermask
from ticketbench_methods.surgery import DynamicSurgery
from ticketbench_methods.variational import VariationalDropout
from ticketbench_methods.weight_sharing import SoftWeightSharing
from ticketbench_methods.wirings import Wirings

RECIPE = Recipe(optimizer="adam", learning_rate=0.01, batch=16, steps=24, log_every=8)
METHODS = (
    DynamicSurgery(every=4),
    SoftThreshold(),
    L0(),
    VariationalDropout(),
    SoftWeightSharing(),
    Wirings(end=0.75),
    Supermask(),
)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize(("model", "task"), [("lenet5", "digits"), ("gru", "seq_digits")])
def test_convolutions_and_recurrent_networks(plugins, method: Method, model: str, task: str):
    """LeNet-5 and a GRU of 6 units have exactly a fifth of their weights after 4 steps, and nothing else."""
    options = {"hidden": 6} if model == "gru" else {}
    found = run_method(
        method,
        model=replace(plugins.find("model", model), **options),
        task=plugins.find("task", task) if model == "gru" else replace(plugins.find("task", task), scale=2),
        recipe=RECIPE.model_copy(update={"steps": 4, "batch": 8}),
        densities=(0.2,),
    )
    assert [(one.status, one.reason) for one in found] == [("ok", "")]
    total = sum(part.numel() for part in found[0].mask.values())
    assert sum(int(part.sum()) for part in found[0].mask.values()) == int(0.2 * total + 0.5)
    found[0].solution.check()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_fleet_of_four_equals_single_runs(method: Method):
    """Two densities of two seeds: each alone has the same masks, weights and notes."""
    together = run_method(method, recipe=RECIPE, densities=(0.5, 0.2), seeds=(0, 1))
    alone = [run_method(method, recipe=RECIPE, densities=(d,), seeds=(s,))[0] for d in (0.5, 0.2) for s in (0, 1)]
    for one, other in zip(together, alone, strict=True):
        assert one.status == other.status == "ok"
        for name, part in one.mask.items():
            assert part.equal(other.mask[name])
            torch.testing.assert_close(one.weights[name], other.weights[name], rtol=1e-3, atol=1e-4)
        assert [(found[2], found[3]) for found in one.findings] == [(found[2], found[3]) for found in other.findings]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_at_density_one_there_is_nothing_to_find(method: Method):
    """The network is trained as usual, once."""
    (one,) = run_method(method, recipe=RECIPE, densities=(1.0,))
    assert (one.status, one.steps, one.findings, method.trainings(1.0)) == ("ok", 24, (), 1)
    assert all(part.all() for part in one.mask.values())


def test_a_penalty_that_is_none_is_refused(tiny_suite, cells_of):
    """A strength below zero."""
    path = tiny_suite(('{ method = "dense" }', '{ method = { name = "l0", strength = -1.0 } }'))
    with pytest.raises(OptionError, match=r"'strength' of 'l0' .* cannot be -1"):
        cells_of(path)
