"""State and tables on their way from the engine to the machine: a language model at its live weights, and densely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest
import torch
from stepping import train_members
from walk import Walk

from ticketbench import Stages
from ticketbench.engine.bench import Bench
from ticketbench.engine.judge import evaluate
from ticketbench.engine.train import Goal
from ticketbench.plugin.request import Train
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Untrained, bench_for
from ticketbench_models.language_model import LanguageModel

CPU = torch.device("cpu")
RECIPE = Recipe(optimizer="adam", learning_rate=0.01, batch=8, epochs=3, judge_batch=6, log_every=1, clip=0.5)


@dataclass(frozen=True)
class Scored(Walk):
    """A walk whose loss is said to be a cross entropy."""

    cross_entropy: ClassVar[Literal["", "mean", "shares"]] = "mean"


def bench_of(cell: Literal["lstm", "gru"], engine: str, densities: Iterable[float]) -> Bench:
    """Members of some densities at their initialization."""
    densities = list(densities)
    base, task = bench_for(Untrained(), None, 1.0, range(len(densities))), Scored()
    model = LanguageModel(cell=cell, hidden=20, embedding=8)
    changed = {"model": model, "recipe": RECIPE, "stages": Stages(task, task, {"walk": task})}
    cells = [replace(one, setting=replace(one.setting, engine=engine)) for one in base.cells]
    bench = Bench(cells, [replace(cast, **changed) for cast in base.casts], CPU)
    draws = torch.Generator().manual_seed(5)
    for name, mask in bench.stack.masks.items():
        for member, density in enumerate(densities):
            mask[member] = torch.rand(mask[member].shape, generator=draws) < density
        with torch.no_grad():
            bench.stack.parameters[name].mul_(mask)
    return bench


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_both_engines_train_and_judge_alike(cell: Literal["lstm", "gru"]) -> None:
    """Two sparse members over an epoch and a half, one after the other's steps; state is at its own rows."""
    found = {}
    for engine in ("dense", "sparse"):
        bench = bench_of(cell, engine, (0.2, 0.1))
        train_members(bench, [0, 1], 15, Goal("accuracy", higher_is_better=True))
        network = bench.stage.network
        judged = evaluate(network, bench.stack.parameters, bench.stack.buffers, Scored().test(), 6)
        found[engine] = (dict(bench.stack.parameters), dict(bench.stack.carried), [one["perplexity"] for one in judged])
        assert bench.steppers.is_sparse(0, Train()) == (engine == "sparse")
    for part in (0, 1):
        torch.testing.assert_close(found["sparse"][part], found["dense"][part], rtol=1e-3, atol=1e-5)
    assert torch.tensor(found["sparse"][2]).allclose(torch.tensor(found["dense"][2]), rtol=1e-4)


def test_a_stack_is_judged_by_both() -> None:
    """Whoever is dense in a stack of sparse and dense members keeps its place, and so do its neighbours."""
    found = {}
    for engine in ("dense", "sparse"):
        bench = bench_of("gru", engine, (0.1, 1.0, 0.2))
        scores = evaluate(bench.stage.network, bench.stack.parameters, bench.stack.buffers, Scored().test(), 6)
        found[engine] = torch.tensor([one["cross_entropy"] for one in scores])
    torch.testing.assert_close(found["sparse"], found["dense"], rtol=1e-5, atol=1e-6)
