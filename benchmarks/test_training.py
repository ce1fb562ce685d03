"""Training throughput, the runner's whole overhead included, against plain loops in the same run.

    make bench

Units are member-steps: one training step of one network. The plain loops run with one thread and with all, and
the faster counts; ticketbench uses its worker processes of one thread. Worker start-up (importing torch) is paid once a
run and included.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import plain
import pytest
import torch
from torch.utils.data import TensorDataset

from ticketbench.executors.local import LocalExecutor
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plugin.loading import load_plugins
from ticketbench.run import run
from ticketbench.store.environment import available_cores
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

VECTORS = Path(__file__).parent / "vectors.py"

SUITE = """
schema = 1
name = "bench"
version = 1
title = "Throughput"
reference = "none"
scorers_run_as = "oneshot"
headline = {{ metric = "accuracy" }}
[methods]
magnitude = {{ method = "oneshot", scorer = "magnitude" }}
dense = {{ method = "dense" }}
[recipes.mlp]
optimizer = "adam"
learning_rate = 1.2e-3
batch = 60
steps = {steps}
[recipes.dtnet]
optimizer = "adam"
learning_rate = 1e-3
batch = 100
steps = {steps}
clip = 1.0
[tiers.small]
about = "throughput"
seeds = [0]
timeout = 3600
[[tiers.small.blocks]]
tasks = [{{ name = "vectors" }}]
models = ["mlp"]
protocols = ["same"]
initializers = ["default"]
methods = ["magnitude"]
densities = [0.2]
recipe = "mlp"
[tiers.smoke]
about = "throughput of a recurrent network"
seeds = [0]
timeout = 3600
[[tiers.smoke.blocks]]
tasks = [{{ name = "prefix_sums", length = 32, test_examples = 500 }}]
models = [{{ name = "dtnet1d", width = 32, iterations = 30 }}]
protocols = ["same"]
initializers = ["default"]
methods = ["dense"]
densities = [1.0]
recipe = "dtnet"
"""


def run_suite(folder: Path, tier: str, members: int, steps: int, fleet: int) -> int:
    """A whole run through plan, workers and store; returns the member-steps it did."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.toml"
    path.write_text(SUITE.format(steps=steps), encoding="utf-8")
    plugins = load_plugins([VECTORS])
    plan = make_plan(read_suite(path), tier, plugins, Selection(seeds=members))
    executor = LocalExecutor(("cpu",) * available_cores())
    with_store = Store(folder / f"store-{members}-{steps}-{fleet}-{len(list(folder.iterdir()))}", create=True)
    summary = run(plan, with_store, executor, plugins, fleet_size=fleet)
    assert summary.ok
    return members * steps


def threads(count: int, work: Callable[[], int]) -> Callable[[], int]:
    """The work with that many threads for torch."""

    def run_it() -> int:
        torch.set_num_threads(count)
        return work()

    return run_it


@pytest.mark.benchmark(group="training")
def test_mlp(benchmark, side_by_side, tmp_path, capsys):
    """784-300-100-10, batch 60, Adam, 20 % of the weights: fleets on worker processes against plain loops."""
    inputs, targets = torch.rand(60_000, 784), torch.randint(0, 10, (60_000,))
    images, cores = plain.Images(inputs, targets), available_cores()
    steps, members = 2500, 8
    rates = side_by_side(
        f"MLP 784-300-100-10, batch 60, Adam, masked; {members} members of {steps} steps; member-steps",
        {
            "DataLoader loop, images normalised one by one": threads(
                cores, lambda: plain.train_with_loader(images, 150, 60)
            ),
            "DataLoader loop, tensors": threads(
                cores, lambda: plain.train_with_loader(TensorDataset(inputs, targets), 400, 60)
            ),
            "plain loop in memory, fused Adam, one thread": threads(
                1, lambda: plain.train_in_memory(inputs, targets, 1500, 60)
            ),
            f"plain loop in memory, fused Adam, {cores} threads": threads(
                cores, lambda: plain.train_in_memory(inputs, targets, 1500, 60)
            ),
            "ticketbench, fleets of 1, start-up included": lambda: run_suite(tmp_path, "small", members, steps, 1),
            "ticketbench, fleets of 4, start-up included": lambda: run_suite(tmp_path, "small", members, steps, 4),
        },
    )
    loader, _, *loops = list(rates.values())[:4]
    best, loop = max(list(rates.values())[4:]), max(loops)
    benchmark.extra_info.update(rates, over_plain=best / loop, over_loader=best / loader)
    benchmark.pedantic(plain.train_in_memory, args=(inputs, targets, 200, 60), rounds=1)
    with capsys.disabled():
        print(f"  ticketbench: {best / loop:.2f}x the faster plain loop, {best / loader:.1f}x the DataLoader of images")


@pytest.mark.benchmark(group="training")
def test_dtnet(benchmark, side_by_side, tmp_path, capsys):
    """DT-Net 1D width 32, 32 bits, batch 100, 30 iterations, alpha 1, against the authors' way."""
    bits = torch.randint(0, 2, (8000, 32))
    inputs, targets = (bits.float() - 0.5).unsqueeze(1), bits.cumsum(1) % 2
    draws, cores = plain.progressive_draws(1000, 30), available_cores()
    steps, members = 100, 8

    def authors() -> int:
        return plain.train_dtnet_as_its_authors(inputs, targets, 40, 100, 32, 30, draws)

    rates = side_by_side(
        f"DT-Net 1D width 32, 32 bits, batch 100; {members} members of {steps} steps; member-steps",
        {
            "the authors' way, one thread": threads(1, authors),
            f"the authors' way, {cores} threads": threads(cores, authors),
            "ticketbench, fleets of 4, start-up included": lambda: run_suite(tmp_path, "smoke", members, steps, 4),
        },
    )
    one, several, ours = rates.values()
    benchmark.extra_info.update(rates, over_authors=ours / max(one, several))
    benchmark.pedantic(plain.train_dtnet_as_its_authors, args=(inputs, targets, 3, 100, 32, 30, draws), rounds=1)
    with capsys.disabled():
        print(f"  ticketbench: {ours / max(one, several):.2f}x the faster of the authors' way")
