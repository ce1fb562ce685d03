"""What changing masks and looking cost, in training steps, and a fleet of which each member changes its own mask.

    make bench

One member on one thread, at the densities of Evci et al.; batch 128, SGD with momentum. A step, an update of the mask
and a look of a probe are all single ones; their cost is printed as so many training steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ticketbench import Probe
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.trial import MemberTrial
from ticketbench.plan.plan import Plan, Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite
from ticketbench.testing.fleet import carry_out
from ticketbench_methods.dynamic import DropAndGrow
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_probes.hessian import Hessian

PICTURES = Path(__file__).parent / "pictures.py"
STEPS, FLEET_STEPS = 100, 300
MODELS = {
    "MLP 784-300-100-10, 2 %": ('"mlp"', 0.02),
    "LeNet-5 without padding, 5 %": ('{ name = "lenet5", padding = 0 }', 0.05),
}
PROBES = {
    "layer_density": 20,
    "dead_units": 3,
    "gradient_flow": 3,
    "distance": 20,
    "output_spread": 3,
    "solution_distances": 20,
    "interpolation": 1,
    "agreement": 3,
}
"""Probe -> how many looks at a time, with its default options."""
PRODUCTS = 10

SUITE = """
schema = 1
name = "bench"
version = 1
title = "Dynamics"
reference = "none"
scorers_run_as = "oneshot"
headline = {{ metric = "accuracy" }}
[methods]
rigl = {{ method = {{ name = "rigl", every = 100, stop = 1.0 }} }}
random = {{ method = "oneshot", scorer = "random" }}
[recipes.sgd]
optimizer = "sgd"
learning_rate = 0.05
momentum = 0.9
batch = 128
steps = {steps}
[tiers.small]
about = "throughput"
seeds = [0, 1, 2, 3]
timeout = 3600
[[tiers.small.blocks]]
tasks = [{{ name = "pictures", examples = 10_000 }}]
models = [{model}]
protocols = ["same"]
initializers = ["default"]
methods = ["{row}"]
densities = [{density}]
recipe = "sgd"
"""


def plan_of(folder: Path, **values: object) -> Plan:
    """The plan of the suite with these values."""
    path = folder / "dynamics.toml"
    path.write_text(SUITE.format(**values), encoding="utf-8")
    return make_plan(read_suite(path), "small", load_plugins([PICTURES]), Selection())


class Cell:
    """One member that was pruned at random, and what can be done to it."""

    def __init__(self, folder: Path, model: str, density: float) -> None:
        plan = plan_of(folder, model=model, density=density, steps=10_000, row="random")
        cell, self.plugins = plan.cells[0], load_plugins([PICTURES])
        cast = Resolver(self.plugins).cast(cell.setting)
        self.bench = Bench([cell], [cast], torch.device("cpu"))
        self.trial = MemberTrial(self.bench, 0)
        self.trial.prune(scope="erk")
        self.trial.set_out()
        self.trial.keep("another end")
        self.trial.look_back(self.bench.stage.data.task, self.bench.stage.data.task.test())

    def steps(self, average: float | None = None) -> Callable[[], int]:
        """Training steps, with an average of the dense gradient or without."""

        def work() -> int:
            self.trial.restart()
            carry_out(self.trial, self.trial.train(STEPS, average))
            return STEPS

        return work

    def updates(self, method: DropAndGrow, count: int = 5) -> Callable[[], int]:
        """Updates of the mask."""

        def work() -> int:
            masks = method.masks(self.trial)
            for _ in range(count):
                self.trial.set_mask(next(masks))
            return count

        return work

    def looks(self, probe: Probe, count: int) -> Callable[[], int]:
        """Looks of a probe."""

        def work() -> int:
            for _ in range(count):
                probe.measure(self.trial.onlooker(probe.name))
            return count

        return work


@pytest.mark.benchmark(group="dynamics")
@pytest.mark.parametrize("name", MODELS)
def test_updates_and_looks(benchmark, side_by_side, capsys, tmp_path: Path, name: str):
    """A step with an average of the gradient, an update by RigL and by SET, and a look of each probe."""
    torch.set_num_threads(1)
    cell, changing = (Cell(tmp_path, *MODELS[name]) for _ in range(2))
    lanczos = Hessian(exact_up_to=0, iterations=PRODUCTS, starts=1)
    contenders = {
        "training step": cell.steps(),
        "training step that keeps an average of the gradient": cell.steps(average=0.9),
        "update by SET": changing.updates(Set()),
        "update by RigL": changing.updates(Rigl()),
    }
    contenders |= {probe: cell.looks(cell.plugins.find("probe", probe), count) for probe, count in PROBES.items()}
    contenders[f"hessian by {PRODUCTS} products in float64"] = cell.looks(lanczos, 1)
    rates = side_by_side(f"{name}, batch 128, SGD with momentum", contenders)
    costs = {what: rates["training step"] / rate for what, rate in rates.items()}
    benchmark.extra_info.update(costs)
    benchmark.pedantic(cell.steps(), rounds=1)
    with capsys.disabled():
        print("  one of them in training steps:")
        for what, cost in costs.items():
            print(f"  {what:58} {cost:12,.2f}")


@pytest.mark.benchmark(group="dynamics")
@pytest.mark.parametrize("name", MODELS)
def test_a_fleet_whose_members_change_their_masks(benchmark, side_by_side, tmp_path: Path, name: str):
    """RigL every 100 of 300 steps: four members as one fleet and one by one, judging included, on one thread."""
    torch.set_num_threads(1)
    model, density = MODELS[name]
    plans = {
        row: plan_of(tmp_path, model=model, density=density, steps=FLEET_STEPS, row=row) for row in ("rigl", "random")
    }
    plugins = load_plugins([PICTURES])

    def fleets(row: str, size: int) -> Callable[[], int]:
        def work() -> int:
            for part in plans[row].fleets(plans[row].cells, "cpu", 1, size):
                records = execute(part.cells, Resolver(plugins), plans[row].suite.headline)
                assert all(record.status == "ok" for record in records)
            return FLEET_STEPS * len(plans[row].cells)

        return work

    rates = side_by_side(
        f"{name}, 4 members of {FLEET_STEPS} steps; member-steps",
        {
            "RigL, one by one": fleets("rigl", 1),
            "RigL, a fleet of 4": fleets("rigl", 4),
            "a mask that stays, one by one": fleets("random", 1),
            "a mask that stays, a fleet of 4": fleets("random", 4),
        },
        rounds=2,
    )
    benchmark.extra_info.update(rates)
    benchmark.pedantic(fleets("rigl", 4), rounds=1)
