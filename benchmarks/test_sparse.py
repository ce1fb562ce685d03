"""The sparse engine against the dense one by density: whole fleets on one thread, chains from the command line, memory.

    make bench

A fleet's whole work in a worker is measured, from its cells to its records: networks are built, tickets drawn at
random, trained and judged. What a process needs to start is left out, but for the chain, which is a command.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from test_lottery import CHAIN, LEVELS
from test_training import VECTORS

from ticketbench.engine.execute import execute
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import Headline, read_suite

MEMBERS = 4
PLUGINS = (VECTORS, Path(__file__).parent / "pictures.py", Path(__file__).parent / "rows.py")

SUITE = """
schema = 1
name = "bench"
version = 1
title = "Throughput by density"
reference = "none"
scorers_run_as = "oneshot"
headline = {{ metric = "accuracy" }}
[methods]
random = {{ method = {{ name = "oneshot", scope = "layerwise" }}, scorer = "random" }}
[recipes.bench]
optimizer = "adam"
learning_rate = 1e-3
batch = {batch}
steps = {steps}
{more}
[tiers.small]
about = "throughput"
seeds = [0]
timeout = 3600
[[tiers.small.blocks]]
tasks = [{task}]
models = [{model}]
protocols = [{protocol}]
initializers = ["default"]
methods = ["random"]
densities = [0.1]
recipe = "bench"
"""


@dataclass(frozen=True)
class Work:
    """A model on a task, and how much is trained of it."""

    name: str
    model: str
    task: str
    steps: int
    batch: int = 64
    more: str = ""
    densities: Sequence[float] = (0.2, 0.1, 0.05, 0.01)
    protocol: str = '"same"'
    members: int = MEMBERS

    def cells(self, folder: Path, density: float, engine: str) -> tuple[Cell, ...]:
        """Its cells by one engine."""
        path = folder / f"{self.name.replace(' ', '-')}.toml"
        words = {"model": self.model, "task": self.task, "protocol": self.protocol}
        path.write_text(SUITE.format(batch=self.batch, steps=self.steps, more=self.more, **words), encoding="utf-8")
        selection = Selection(densities=(density,), seeds=self.members)
        return make_plan(read_suite(path), "small", load_plugins(PLUGINS), selection, engine=engine).cells


IMAGES = '{ name = "pictures", examples = 6000, tests = 10 }'
STRINGS = '{{ name = "prefix_sums", length = {length}, examples = 1000, test_examples = {tests} }}'
CLIP = "clip = 1.0"
TRAINING = (
    Work("MLP 784-300-100-10, batch 60", '"mlp"', '{ name = "vectors", examples = 6000, tests = 10 }', 600, 60),
    Work("LeNet-5, batch 60", '"lenet5"', IMAGES, 120, 60),
    Work("GRU of 100 units, 28 rows", '{ name = "gru", hidden = 100 }', '{ name = "rows" }', 60),
    Work("GRU of 400 units, 28 rows", '{ name = "gru", hidden = 400 }', '{ name = "rows" }', 8, members=2),
    Work(
        "DT-Net 1D of width 32, 32 bits",
        '{ name = "dtnet1d", width = 32 }',
        STRINGS.format(length=32, tests=10),
        20,
        100,
        CLIP,
        (0.2, 0.1, 0.05),
    ),
    Work(
        "DT-Net 1D of width 400, 32 bits",
        '{ name = "dtnet1d", width = 400 }',
        STRINGS.format(length=32, tests=10),
        2,
        100,
        CLIP,
        (0.1,),
        members=1,
    ),
)
SWEEP = '{{ name = "extrapolation", judge_at = [64], sweep_from = 30, sweep_to = {last}, sweep_every = 30 }}'
JUDGING = (
    Work(
        "judging a DT-Net 1D of width 32, 64 bits, 30 to 300 iterations",
        '{ name = "dtnet1d", width = 32 }',
        STRINGS.format(length=32, tests=200),
        1,
        10,
        "judge_batch = 100",
        (0.1,),
        SWEEP.format(last=300),
        members=2,
    ),
    Work(
        "judging a DT-Net 1D of width 400, 64 bits, 30 iterations",
        '{ name = "dtnet1d", width = 400 }',
        STRINGS.format(length=32, tests=32),
        1,
        10,
        "judge_batch = 32",
        (0.1,),
        SWEEP.format(last=30),
        members=1,
    ),
)


def seconds(cells: Sequence[Cell]) -> float:
    """How long a fleet takes in a worker."""
    resolver = Resolver(load_plugins(PLUGINS))
    start = time.perf_counter()
    records = execute(cells, resolver, Headline(metric="accuracy"))
    taken = time.perf_counter() - start
    assert all(record.status == "ok" for record in records), records[0].error
    return taken


@pytest.mark.benchmark(group="sparse")
@pytest.mark.parametrize("work", [*TRAINING, *JUDGING], ids=lambda work: work.name)
def test_by_density(benchmark, tmp_path, capsys, work: Work):
    """Whole fleets by both engines, in turns: three rounds, medians."""
    torch.set_num_threads(1)
    with capsys.disabled():
        print(f"\n{work.name}: {work.members} members of {work.steps} steps, a whole fleet in a worker, one thread")
        for density in work.densities:
            both = {engine: work.cells(tmp_path, density, engine) for engine in ("full", "auto")}
            assert both["auto"][0].setting.engine == "sparse"
            taken: dict[str, list[float]] = {"full": [], "auto": []}
            for _ in range(3):
                for engine, cells in both.items():
                    taken[engine].append(seconds(cells))
            dense, sparse = (statistics.median(times) for times in taken.values())
            benchmark.extra_info[f"{work.name} at {density:g}"] = dense / sparse
            rates = [work.members * work.steps / time for time in (dense, sparse)]
            each = f"dense {rates[0]:8.1f}, sparse {rates[1]:8.1f} member-steps/s"
            print(f"  {density:6.0%} of the weights: {each}: {dense / sparse:5.1f}x")
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.benchmark(group="sparse")
def test_a_chain_by_both_engines(benchmark, tmp_path, capsys):
    """21 levels × 1 epoch of 60,000 examples: `ticketbench run`, start to end."""
    path = tmp_path / "chain.toml"
    path.write_text(CHAIN.format(steps=1000), encoding="utf-8")
    taken: dict[str, list[float]] = {"full": [], "auto": []}
    for number in range(3):
        for engine, times in taken.items():
            words = ("run", "--suite", path, "--tier", "small", "--plugin", VECTORS, "--seeds", "1", "--engine", engine)
            command = [sys.executable, "-m", "ticketbench", *map(str, words)]
            command += ["--store", str(tmp_path / f"{engine}{number}")]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    dense, sparse = (statistics.median(times) for times in taken.values())
    benchmark.extra_info.update(dense=dense, sparse=sparse)
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print(f"\nIMP, {LEVELS} levels × 1 epoch, from the command line: dense {dense:.1f} s, sparse {sparse:.1f} s")


@pytest.mark.benchmark(group="sparse")
def test_memory_by_density(benchmark, tmp_path, capsys):
    """What a fleet of 16 of 784-1000-1000-10 adds to a process, dense and by density, each in a process of its own."""
    work = Work(
        "memory", '{ name = "mlp", hidden = [1000, 1000] }', '{ name = "vectors", examples = 600, tests = 10 }', 20, 60,
        members=16,
    )  # fmt: skip
    lines = []
    for density, engine in ((0.1, "full"), (0.2, "auto"), (0.05, "auto"), (0.01, "auto")):
        cells = [cell.to_plain() for cell in work.cells(tmp_path, density, engine)]
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.insert(0, {here!r}); import test_sparse; test_sparse.measure()"
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, input=json.dumps(cells), capture_output=True, text=True, check=True)
        lines.append((density, engine, float(found.stdout.split()[-1])))
    benchmark.extra_info.update({f"{engine} {density:g}": size for density, engine, size in lines})
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print("\nmemory of a fleet of 16, MLP 784-1000-1000-10, Adam, above a process that has its task")
        for density, engine, size in lines:
            print(f"  {engine:6} {density:6.0%} of the weights: {size:8,.0f} MB")


def measure() -> None:
    """Train a fleet that is described on standard input; print how many MB the process grew by."""
    torch.set_num_threads(1)
    cells = [Cell.from_plain(cell) for cell in json.load(sys.stdin)]
    resolver = Resolver(load_plugins(PLUGINS))
    execute(cells[:1], resolver, Headline(metric="accuracy"))  # everything is imported
    before = resident()
    execute(cells, resolver, Headline(metric="accuracy"))
    import resource

    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)


def resident() -> float:
    """MB that the process holds at the moment."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell how much memory a process holds")
