"""The plan of a large suite, and a store of a million rows."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ticketbench.plan.estimate import estimate
from ticketbench.plan.plan import Selection, find_suite, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plan.speed import cpu_speed
from ticketbench.plugin.loading import load_plugins
from ticketbench.store.schema import CellRecord, CurvePoint, Environment
from ticketbench.store.store import Store

ENVIRONMENT = Environment(environment="bench", cores=1, memory=1, threads=1)
CELL = CellRecord(
    key="",
    suite="bench",
    suite_version=1,
    tier="small",
    row="row",
    method="m",
    model="net",
    task="t",
    protocol="one",
    initializer="plain",
    recipe="short",
    density=0.5,
    seed=0,
    precision="fp32",
    device_class="cpu",
)


@pytest.mark.benchmark(group="scale")
def test_plan_of_100_000_cells(benchmark, capsys):
    """Suite to cells, keys, fleets and an estimate."""

    speed = cpu_speed()

    def plan() -> int:
        plugins = load_plugins()
        whole = make_plan(find_suite("drn", plugins), "small", plugins, Selection(seeds=9100))
        fleets = whole.fleets(whole.cells, "cpu", 2)
        estimate(fleets, Resolver(plugins), speed, ["cpu", "cpu"])
        return len(whole.cells)

    start = time.perf_counter()
    cells = benchmark.pedantic(plan, rounds=3)
    with capsys.disabled():
        print(f"\nplan of {cells:,} cells with fleets and estimate: {(time.perf_counter() - start) / 3:.2f} s")
    assert cells >= 100_000


@pytest.mark.benchmark(group="scale")
def test_store_of_1_000_000_curve_rows(benchmark, capsys, tmp_path: Path):
    """100 fleets of 4 cells with 2,500 points each, written part by part and read back whole."""
    curve = tuple(CurvePoint("train", "", "loss", 0, "step", float(step), 0.5) for step in range(2500))

    def write_and_read(folder: Path) -> int:
        store = Store(folder, create=True)
        for fleet in range(100):
            records = [
                replace(CELL, key=f"{fleet:04}-{member}", status="ok", headline=0.5, curves=curve)
                for member in range(4)
            ]
            store.add(records, ENVIRONMENT)
        return int(Store(folder).read("curves").num_rows)

    counter = iter(range(100))
    start = time.perf_counter()
    rows = benchmark.pedantic(write_and_read, setup=lambda: ((tmp_path / f"store-{next(counter)}",), {}), rounds=3)
    with capsys.disabled():
        print(f"\nstore of {rows:,} curve rows written and read: {(time.perf_counter() - start) / 3:.2f} s")
    assert rows == 1_000_000


@pytest.mark.benchmark(group="scale")
def test_help(benchmark, capsys):
    """`ticketbench --help` as a process, from start to end; it imports no torch. Aim: half a second."""
    command = [sys.executable, "-m", "ticketbench", "--help"]
    start = time.perf_counter()
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=5)
    with capsys.disabled():
        print(f"\nticketbench --help: {(time.perf_counter() - start) / 5:.2f} s")
