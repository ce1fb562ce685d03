"""Methods with penalties, factors and places to be drawn to, stopped on their way: the same results to the last bit."""

from __future__ import annotations

import pytest
from interrupted import Interrupter, Runs, assert_same, checkpoint_in

from ticketbench.suite.recipe import Recipe
from ticketbench.testing.fleet import bench_of
from ticketbench.testing.parts import Parts
from ticketbench_methods.block_lasso import BlockLasso
from ticketbench_methods.chauvin import Chauvin
from ticketbench_methods.forgetting import Forgetting
from ticketbench_methods.intrinsic import Intrinsic
from ticketbench_methods.learning_compression import LearningCompression
from ticketbench_methods.penalized import Penalized
from ticketbench_methods.trace_norm import TraceNorm
from ticketbench_methods.weight_classes import WeightClasses

ADAM = Recipe(optimizer="adam", learning_rate=0.01, batch=16, steps=8, log_every=4)
METHODS = [
    Penalized(penalty="l1", retraining="l2", rounds=2),
    WeightClasses(rounds=2),
    Forgetting(threshold=0.0),
    Chauvin(examples=20),
    LearningCompression(turns=3),
    BlockLasso(block=2, narrow=1, begin=0.1, ramp=0.3, end=0.8, every=2),
    Intrinsic(),
    TraceNorm(),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_fleet_of_four_goes_on_from_checkpoints(tmp_path, method):
    """Two densities and two seeds, stopped at every third pause, with nothing left but the file."""
    runs = Runs.of_bench(bench_of(Parts(method, recipe=ADAM), (0.5, 0.3), (0, 1)))
    expected = Runs(runs.cells, runs.casts).undisturbed()
    assert {one.status for one in expected.values()} == {"ok"}
    keeper = Interrupter(checkpoint_in(tmp_path), at=lambda number: number % 3 == 0)
    assert_same(runs.interrupted(keeper), expected)
    assert keeper.stopped >= 2
    assert runs.lost == []
