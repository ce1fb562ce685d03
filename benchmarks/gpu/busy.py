"""The share of time in which the GPU computes while a fleet trains, as the profiler of torch sees it.

A process of its own: a profiler that fails beside CUDA graphs may take its process with it.
"""

from __future__ import annotations

import os

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import LATE, lines_of
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from ticketbench.plugin.loading import Plugins

COLUMNS = ("fleet", "members", "busy", "kernels", "µs a step", "engine")
FLEETS = ("init 44", "init 5", "gru 35", "dtnet 18", "gradflow 20")
TARGET = 0.85
PROFILER = {"TEARDOWN_CUPTI": "0", "DISABLE_CUPTI_LAZY_REINIT": "1"}
"""For graphs that were captured before the profiler starts."""


def measure(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row a fleet; what was found before a failure stays."""
    words = ["rehearse" if machine.rehearsal else "measure", str(until.left() * 0.8)]
    words += FLEETS[:1] if machine.rehearsal else FLEETS
    for found in lines_of("benchmarks.gpu.busy_child", words, until, {**os.environ, **PROFILER}):
        if LATE in found:
            section.left_out.append(found[LATE])
            continue
        section.add(**dict(zip(COLUMNS, (found[column] for column in COLUMNS), strict=True)))
        results.target(f"share of time that the GPU is busy, {found['fleet']}", "at least", TARGET, "", found["busy"])
    section.notes.append(
        "busy: the time covered by kernels and copies, over the time from the first to the last of them"
    )
