"""Lottery tickets: fleets of different sizes with their memory, and a whole chain of levels from the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import plain
import pytest
import torch
from test_training import SUITE, VECTORS, threads

from ticketbench.environment import available_cores
from ticketbench.executors.local import LocalExecutor
from ticketbench.plan import Selection, make_plan
from ticketbench.plugins import load_plugins
from ticketbench.run import run
from ticketbench.store import Store
from ticketbench.suite import read_suite

WORK = 22_000
"""Member-steps of each contender, so that starting workers weighs the same."""
LEVELS = 21

CHAIN = SUITE.replace(
    'dense = {{ method = "dense" }}', 'imp = {{ method = {{ name = "imp", fraction = 0.2, scope = "layerwise" }} }}'
).replace('methods = ["magnitude"]\ndensities = [0.2]', f'methods = ["imp"]\ndensities = [{0.8 ** (LEVELS - 1)!r}]')


def train_fleet(folder: Path, members: int, fleet: int, workers: int, memory: dict[str, float]) -> Callable[[], int]:
    """A whole run of so many members; notes the largest memory of a worker, in MB."""

    def work() -> int:
        steps, name = WORK // members, f"{members}-{fleet}-{workers}"
        path = folder / f"{name}.toml"
        path.write_text(SUITE.format(steps=steps), encoding="utf-8")
        plugins = load_plugins([VECTORS])
        plan = make_plan(read_suite(path), "small", plugins, Selection(seeds=members))
        store = Store(folder / f"{name}-{len(list(folder.iterdir()))}", create=True)
        assert run(plan, store, LocalExecutor(("cpu",) * workers), plugins, fleet_size=fleet).ok
        memory[name] = max(store.read("cells")["peak_memory"].to_pylist()) / 1e6
        return members * steps

    return work


@pytest.mark.benchmark(group="lottery")
def test_fleets(benchmark, side_by_side, tmp_path, capsys):
    """4, 22 and 88 members as one fleet on one one-thread worker, 88 in fleets of 4 on all, and the plain loops."""
    inputs, targets = torch.rand(60_000, 784), torch.randint(0, 10, (60_000,))
    images, cores, memory = plain.Images(inputs, targets), available_cores(), {}
    rates = side_by_side(
        f"MLP 784-300-100-10, batch 60, Adam, masked; {WORK:,} member-steps of fleets; member-steps",
        {
            "DataLoader loop, images normalised one by one": threads(
                cores, lambda: plain.train_with_loader(images, 150, 60)
            ),
            "plain loop in memory, fused Adam, one thread": threads(
                1, lambda: plain.train_in_memory(inputs, targets, 1500, 60)
            ),
            "one worker, a fleet of 4": train_fleet(tmp_path, 4, 4, 1, memory),
            "one worker, a fleet of 22": train_fleet(tmp_path, 22, 22, 1, memory),
            "one worker, a fleet of 88": train_fleet(tmp_path, 88, 88, 1, memory),
            f"{cores} workers, 88 members in fleets of 4": train_fleet(tmp_path, 88, 4, cores, memory),
        },
    )
    benchmark.extra_info.update(rates, **{f"MB {name}": size for name, size in memory.items()})
    benchmark.pedantic(plain.train_in_memory, args=(inputs, targets, 200, 60), rounds=1)
    with capsys.disabled():
        small, large = rates["one worker, a fleet of 4"], rates["one worker, a fleet of 88"]
        print(f"  88 members are {large / small:.2f}x as fast per member as 4; largest memory of a worker, MB:")
        print("  " + ", ".join(f"{name}: {size:,.0f}" for name, size in memory.items()))


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
