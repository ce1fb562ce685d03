"""How long a DT-Net's test takes: strings of 512 bits, thought about for up to 600 iterations.

Some of the test's strings are judged, and the time is scaled to all of them.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from benchmarks.gpu.budget import Allowance, cut_off_after
from benchmarks.gpu.large import DTNET, cells_of, size_on
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.suites import Tier, with_recipe
from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.precision import set_precision
from ticketbench.plan.cell import Cell, Choice, make_cell
from ticketbench.plugin.loading import Plugins

COLUMNS = ("network", "models", "bits", "iterations", "strings judged", "seconds", "seconds a model, whole test")
BITS, ITERATIONS, STRINGS, WHOLE = 512, 600, 500, 10_000
MODELS = 3
TARGET = 60.0
BETWEEN = 2.0
"""Seconds that it may be over its time."""


def measure(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """One row: some models together, as they are judged at the end of their training."""
    bits, iterations, strings, models = (16, 12, 20, 2) if machine.rehearsal else (BITS, ITERATIONS, STRINGS, MODELS)
    tier, cells = cells_of(DTNET, machine, plugins, "tf32", models)
    cells = judged_on(cells, bits, iterations, strings)
    with cut_off_after(until.left() + BETWEEN):
        seconds = seconds_of_judging(machine, tier, cells)
    whole = seconds * WHOLE / strings / models
    found = (f"{DTNET.title}, width {size_on(machine, DTNET)}", models, bits, iterations, strings)
    section.add(**dict(zip(COLUMNS, (*found, seconds, whole), strict=True)))
    results.target("dtnet1d, seconds of a model's test on 512 bits to 600 iterations", "at most", TARGET, "s", whole)


def judged_on(cells: list[Cell], bits: int, iterations: int, strings: int) -> list[Cell]:
    """The cells after one step of training, judged on so many strings of one length."""
    made = []
    for cell in with_recipe(cells, epochs=None, steps=1):
        task = changed(cell.setting.task, test_examples=strings)
        sweep = {"sweep_from": min(30, iterations), "sweep_to": iterations, "sweep_every": 2}
        protocol = changed(cell.setting.protocol, judge_at=[bits], **sweep)
        setting = replace(cell.setting, task=task, protocol=protocol)
        made.append(make_cell(setting, setting.text(), cell.density, cell.seed))
    return made


def changed(choice: Choice, **options: Any) -> Choice:
    """The same thing with other options."""
    return choice._replace(options=json.dumps({**json.loads(choice.options), **options}))


def seconds_of_judging(machine: Machine, tier: Tier, cells: list[Cell]) -> float:
    """From the end of training to the end of everything."""
    begun = [0.0]

    def hear(phase: str, steps: int) -> None:
        if phase == "judging":
            machine.wait()
            begun[0] = time.perf_counter()

    set_precision(cells[0].setting.precision)
    casts = [tier.resolver.cast(cell.setting) for cell in cells]
    members = lead(Bench(cells, casts, machine.device, machine.recording_for_speed), tier.headline(cells[0]), hear)
    machine.wait()
    for member in members:
        if member.status == "failed":
            raise RuntimeError(f"row '{member.cell.setting.row}' failed: {member.reason}")
    return time.perf_counter() - begun[0]
