"""A suite of lottery tickets with a paper, and a store of made-up curves over densities for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ticketbench.plugin.loading import Plugins
from ticketbench.store.store import Store

WEIGHTS = 266_200
LEVELS = [round(0.8**k * WEIGHTS) / WEIGHTS for k in range(20)]
"""The exact densities of 20 rounds: whole weights."""
STEPS, LOGGED = 50, 10

INITIALIZERS = [
    f'{{ name = "{name}", distribution = "{shape}", gain = {gain} }}'
    for name, gain in (("glorot", 1.0), ("he", 1.0), ("glorot", 0.5), ("glorot", 2.0))
    for shape in ("uniform", "normal")
]
NARROW = 'initializers = [{ name = "glorot", gain = 1.0 }, { name = "he", gain = 1.0 }]'

SUITE = f"""
schema = 1
name = "lottery"
version = 1
title = "Lottery tickets"
reference = "made up"
scorers_run_as = "oneshot"

[headline]
metric = "accuracy"

[methods]
imp = {{ method = {{ name = "imp", fraction = 0.2 }}, scorer = "magnitude" }}
random = {{ method = "oneshot", scorer = "random" }}
dense = {{ method = "dense" }}

[recipes.plain]
optimizer = "adam"
learning_rate = 1e-2
batch = 20
epochs = 5

[tiers.smoke]
about = "made up"
seeds = [42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52]
timeout = 60

[[tiers.smoke.blocks]]
tasks = ["blobs"]
models = [{{ name = "mlp", hidden = [40, 20] }}]
protocols = ["same"]
initializers = [{", ".join(INITIALIZERS)}]
methods = ["imp"]
densities = [0.0144]
recipe = "plain"

[[tiers.smoke.blocks]]
tasks = ["blobs"]
models = [{{ name = "mlp", hidden = [40, 20] }}]
protocols = ["same"]
initializers = [{INITIALIZERS[0]}]
methods = ["dense", "random"]
densities = [0.512, 0.168, 0.0687, 0.035]
recipe = "plain"

[metrics.accuracy]
title = "test accuracy"
percent = true

[[figures]]
name = "figure-1"
title = "Figure 1: initial weights by layer"
kind = "initial_weights"

[[figures]]
name = "figure-2"
title = "Figure 2: size over time"
kind = "size"
rows = ["imp"]
initializer = {{ name = "glorot", gain = 1.0, distribution = "uniform" }}
x_name = "epoch"
x_title = "epoch"
at = [7]
levels = [0.5]

[[figures]]
name = "figure-3"
title = "Figure 3: accuracy by weights remaining"
rows = ["imp"]
{NARROW}
band = "std"
at = [0.069, 0.035, 0.023]
levels = [0.9]
x_title = "weights remaining"
x_scale = "log"
x_percent = true
x_reversed = true
y_range = [0.7, 1.0]

[[figures]]
name = "all"
title = "All initializers"
rows = ["imp"]
band = "std"
x_title = "weights remaining"
x_scale = "log"
x_percent = true
x_reversed = true

[[figures]]
name = "rows"
title = "Beside random and dense"
initializer = {{ name = "glorot", gain = 1.0, distribution = "uniform" }}
at = [0.069]
x_title = "weights remaining"
x_scale = "log"
x_percent = true
x_reversed = true

[[figures]]
name = "table-probes"
title = "What the probes found"
kind = "table"
rows = ["imp"]
initializer = "he"
probes = ["distance/round 3/hamming"]
"""


def accuracy(axes: Mapping[str, Any], density: float) -> float:
    """Falls off below a few percent: later the narrower the initializer, a hundredth a seed later."""
    knee = 0.03 if "he" in axes["initializer"].split()[0] else 0.02
    if axes["row"] == "random":
        knee = 0.2
    return 0.98 - 0.5 * (knee / (knee + density)) ** 2 - 0.001 * (axes["seed"] - 42)


def record(axes: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell of the lottery suite leaves: rounds of 50 steps logged every ten, a judgement after each."""
    densities = [*LEVELS[:19], round(axes["density"] * WEIGHTS) / WEIGHTS] if axes["row"] == "imp" else []
    densities = densities or [round(axes["density"] * WEIGHTS) / WEIGHTS]
    points: list[tuple[Any, ...]] = []
    for number, density in enumerate(densities):
        points += [("train", "", "loss", number, "step", float(step), 0.1) for step in range(LOGGED, STEPS + 1, LOGGED)]
        points.append(("test", "blobs", "accuracy", number, "density", density, accuracy(axes, density)))
    return {
        "status": "ok",
        "headline": points[-1][-1],
        "finished": 1.0,
        "train_steps": STEPS * len(densities),
        "curves": points,
        "probes": [("distance", "round 3", "hamming", 0.25 + axes["seed"] / 100)],
    }


def lottery(folder: Path, plugins: Plugins, change=record, text: str = SUITE) -> tuple[Path, Store]:
    """The suite as a file, and a store with a record for every cell."""
    from paper_store import fill

    path = folder / "lottery.toml"
    path.write_text(text, encoding="utf-8")
    return path, fill(folder / "lottery-store", path, plugins, change)
