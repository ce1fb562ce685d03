"""Cells of many methods, densities, initializers, rates, decays, schedules and lengths that share one stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.replay import Recorder
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import Headline, read_suite

CPU = torch.device("cpu")
HEADLINE = Headline(metric="accuracy")
SUITE = """
schema = 1
name = "mixed"
version = 1
title = "What shares a stack"
reference = "none"
scorers_run_as = "oneshot"
headline = {{ metric = "accuracy" }}

[methods]
dense = {{ method = "dense" }}
snip = {{ method = "oneshot", scorer = "snip" }}
imp = {{ method = {{ name = "imp", fraction = 0.5 }}, scorer = "magnitude" }}
rigl = {{ method = {{ name = "rigl", every = 7 }}, scorer = "random" }}
snfs = {{ method = {{ name = "snfs", every = 9 }}, scorer = "random" }}
gradual = {{ method = {{ name = "gradual", every = 8 }}, scorer = "magnitude" }}

[recipes.first]
{optimizer}
learning_rate = 2e-2
batch = 50
steps = 60
log_every = 20
schedule = "step"
milestones = [1, 2]

[recipes.second]
{optimizer}
learning_rate = 1e-2
weight_decay = 3e-3
batch = 50
epochs = 3
log_every = 13
schedule = "cosine"
warmup = "linear"
warmup_epochs = 1
select = "best"
validate_every = 1

[recipes.bursting]
{optimizer}
learning_rate = 1e30
batch = 50
steps = 40
log_every = 10

[tiers.smoke]
about = "seconds"
seeds = [0]
timeout = 60

[[tiers.smoke.blocks]]
tasks = ["digits"]
models = [{{ name = "mlp", hidden = [17, 9] }}]
protocols = ["same"]
initializers = ["default"]
methods = ["dense", "snip", "imp", "rigl", "snfs", "gradual"]
densities = [0.25]
recipe = "first"

[[tiers.smoke.blocks]]
tasks = ["digits"]
models = [{{ name = "mlp", hidden = [17, 9] }}]
protocols = ["same"]
initializers = [{{ name = "he", distribution = "normal" }}]
methods = ["imp", "rigl", "snfs", "gradual", "snip"]
densities = [0.1]
recipe = "second"

[[tiers.smoke.blocks]]
tasks = ["digits"]
models = [{{ name = "mlp", hidden = [17, 9] }}]
protocols = ["same"]
initializers = ["default"]
methods = ["dense"]
densities = [1.0]
recipe = "bursting"
"""
OPTIMIZERS = {
    "sgd": 'optimizer = "sgd"',
    "momentum": 'optimizer = "sgd"\nmomentum = 0.9\nnesterov = true',
    "adam": 'optimizer = "adam"',
    "clipped adam": 'optimizer = "adam"\nclip = 0.5',
}


def mixed_cells(folder: Path, optimizer: str, engine: str = "full") -> tuple[Cell, ...]:
    """Twelve cells of six methods, of different densities, initializers, rates, decays, schedules and lengths."""
    path = folder / "mixed.toml"
    path.write_text(SUITE.format(optimizer=OPTIMIZERS[optimizer]), encoding="utf-8")
    return make_plan(read_suite(path), "smoke", load_plugins(), engine=engine).cells


def mixed_bench(cells: Sequence[Cell], recording: type[Recorder] | None = None) -> Bench:
    """A bench with a place for each cell."""
    resolver = Resolver(load_plugins())
    return Bench(cells, [resolver.cast(cell.setting) for cell in cells], CPU, recording)
