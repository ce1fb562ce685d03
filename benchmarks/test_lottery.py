"""Lottery tickets: fleets of different sizes with their memory, and a whole chain of levels from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import plain
import pytest
import torch
from test_training import SUITE, VECTORS, threads

from ticketbench.executors.local import LocalExecutor
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plugin.loading import load_plugins
from ticketbench.run import run
from ticketbench.store.environment import available_cores
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

STEPS = 400
"""Steps of each member of a fleet."""
LEVELS = 21

IMP = '[methods]\nimp = {{ method = {{ name = "imp", fraction = 0.2, scope = "layerwise" }} }}'
CHAIN = (
    SUITE.replace("[methods]", IMP)
    .replace('methods = ["magnitude"]', 'methods = ["imp"]')
    .replace("densities = [0.2]", f"densities = [{0.8 ** (LEVELS - 1)!r}]")
)


def train_fleet(folder: Path, members: int, fleet: int, workers: int) -> tuple[float, float]:
    """A whole run; member-steps a second of training in a worker, and the largest memory of a worker in MB."""
    path = folder / f"{members}-{fleet}-{workers}.toml"
    path.write_text(SUITE.format(steps=STEPS), encoding="utf-8")
    plugins = load_plugins([VECTORS])
    plan = make_plan(read_suite(path), "small", plugins, Selection(seeds=members))
    store = Store(path.with_suffix(""), create=True)
    assert run(plan, store, LocalExecutor(("cpu",) * workers), plugins, fleet_size=fleet).ok
    cells = store.read("cells")
    return members * STEPS / sum(cells["train_seconds"].to_pylist()), max(cells["peak_memory"].to_pylist()) / 1e6


@pytest.mark.benchmark(group="lottery")
def test_fleets(benchmark, side_by_side, tmp_path, capsys):
    """4, 22 and 88 members as one fleet on one one-thread worker, 88 in fleets of 4 on all, and the plain loops."""
    inputs, targets = torch.rand(60_000, 784), torch.randint(0, 10, (60_000,))
    images, cores = plain.Images(inputs, targets), available_cores()
    loops = side_by_side(
        "MLP 784-300-100-10, batch 60, Adam, masked; steps",
        {
            "DataLoader loop, images normalised one by one": threads(
                cores, lambda: plain.train_with_loader(images, 150, 60)
            ),
            "plain loop in memory, fused Adam, one thread": threads(
                1, lambda: plain.train_in_memory(inputs, targets, 1500, 60)
            ),
        },
    )
    loader, loop = loops.values()
    fleets = {
        "one worker, a fleet of 4": train_fleet(tmp_path, 4, 4, 1),
        "one worker, a fleet of 22": train_fleet(tmp_path, 22, 22, 1),
        "one worker, a fleet of 88": train_fleet(tmp_path, 88, 88, 1),
        f"{cores} workers, 88 members in fleets of 4, each worker": train_fleet(tmp_path, 88, 4, cores),
    }
    benchmark.extra_info.update(loops, **{name: rate for name, (rate, _) in fleets.items()})
    benchmark.pedantic(plain.train_in_memory, args=(inputs, targets, 200, 60), rounds=1)
    with capsys.disabled():
        print(f"  fleets, {STEPS} steps a member, training alone: member-steps/s of a one-thread worker; its memory")
        for name, (rate, memory) in fleets.items():
            print(f"  {name:60}{rate:8.0f} /s  {rate / loop:.2f}x loop  {rate / loader:.1f}x loader  {memory:6,.0f} MB")


@pytest.mark.benchmark(group="lottery")
def test_a_chain_from_the_command_line(benchmark, side_by_side, tmp_path, capsys):
    """21 levels of one epoch of 60,000 examples: `ticketbench run`, start to end, against plain loops' rates."""
    inputs, targets = torch.rand(60_000, 784), torch.randint(0, 10, (60_000,))
    images, cores = plain.Images(inputs, targets), available_cores()
    path = tmp_path / "chain.toml"
    path.write_text(CHAIN.format(steps=1000), encoding="utf-8")

    def chain() -> int:
        words = ("run", "--suite", path, "--tier", "small", "--plugin", VECTORS, "--seeds", "1")
        store = tmp_path / f"store-{len(list(tmp_path.iterdir()))}"
        command = [sys.executable, "-m", "ticketbench", *map(str, words), "--store", str(store)]
        subprocess.run(command, check=True, capture_output=True)
        return LEVELS * 1000

    rates = side_by_side(
        f"IMP, {LEVELS} levels × 1 epoch (1000 steps of 60), MLP 784-300-100-10; steps",
        {
            "DataLoader loop, images normalised one by one": threads(
                cores, lambda: plain.train_with_loader(images, 150, 60)
            ),
            f"plain loop in memory, fused Adam, {cores} threads": threads(
                cores, lambda: plain.train_in_memory(inputs, targets, 1500, 60)
            ),
            "ticketbench run, one chain, start to end": chain,
        },
        rounds=1,
    )
    loader, loop, ours = rates.values()
    benchmark.extra_info.update(rates)
    benchmark.pedantic(plain.train_in_memory, args=(inputs, targets, 200, 60), rounds=1)
    with capsys.disabled():
        whole = LEVELS * 1000
        print(f"  the chain takes {whole / ours:.0f} s; at the rates {whole / loader:.0f} and {whole / loop:.0f} s")
