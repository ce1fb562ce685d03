"""Methods with penalties on LeNet-5 and on a GRU: a fleet of four, each as if it were alone."""

from __future__ import annotations

import pytest

from ticketbench import Method, Shapes, kept_count
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Blobs, run_method
from ticketbench_methods.block_lasso import BlockLasso
from ticketbench_methods.chauvin import Chauvin
from ticketbench_methods.forgetting import Forgetting
from ticketbench_methods.intrinsic import Intrinsic
from ticketbench_methods.learning_compression import LearningCompression
from ticketbench_methods.penalized import Penalized
from ticketbench_methods.trace_norm import TraceNorm
from ticketbench_methods.weight_classes import WeightClasses
from ticketbench_models.lenet import LeNet5
from ticketbench_models.recurrent import GRU

METHODS = [
    Penalized(penalty="l1"),
    WeightClasses(scheme="distribution"),
    Forgetting(),
    Chauvin(examples=16),
    LearningCompression(turns=2),
    BlockLasso(begin=0.0, ramp=0.3, end=0.9, every=2, q="initial"),
    Intrinsic(),
    TraceNorm(),
]
NETWORKS = {
    "lenet5": (LeNet5(padding=0), Blobs(Shapes((1, 16, 16), 3))),
    "gru": (GRU(hidden=8), Blobs(Shapes((4, 3), 3))),
}
RECIPE = Recipe(optimizer="adam", learning_rate=1e-3, batch=16, steps=4, log_every=4)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_fleet_of_four_has_exact_densities_and_is_like_single_cells(method: Method, network: str):
    """Two densities and two seeds; the last of them alone has the same mask."""
    model, task = NETWORKS[network]
    given = {"model": model, "task": task, "recipe": RECIPE}
    outcomes = run_method(method, densities=(0.4, 0.2), seeds=(0, 1), **given)
    (alone,) = run_method(method, densities=(0.2,), seeds=(1,), **given)
    for outcome in outcomes:
        assert outcome.status == "ok", outcome.reason
        kept = sum(int(part.sum()) for part in outcome.mask.values())
        target = kept_count(outcome.density, sum(part.numel() for part in outcome.mask.values()))
        assert 0 < kept <= target if method.removes_units else kept == target
    assert all(part.equal(outcomes[-1].mask[name]) for name, part in alone.mask.items())
