"""Seconds to the first step: in a fresh process, and of a second fleet of the same kind in it."""

from __future__ import annotations

import os
import time

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import LATE, lines_of
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from ticketbench.plugin.loading import Plugins

COLUMNS = ("fleet", "members", "from the start of the process", "cold fleet", "warm fleet")
FLEETS = ("init 44", "gru 35", "dtnet 18")
TARGET = 3.0
"""Seconds from the making of a fleet to its first step."""


def measure(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """A row and a process a fleet."""
    fleets = FLEETS[:1] if machine.rehearsal else FLEETS
    for number, name in enumerate(fleets):
        if until.over:
            section.left_out += fleets[number:]
            break
        words = [name, str(time.time()), "rehearse" if machine.rehearsal else "measure"]
        for found in lines_of("benchmarks.gpu.first_steps_child", words, until.part(len(fleets) - number), os.environ):
            if LATE in found:
                section.left_out.append(f"{name} ({found[LATE]})")
                continue
            section.add(
                **{
                    "fleet": name,
                    "members": found["members"],
                    "from the start of the process": found["process"],
                    "cold fleet": found["cold"],
                    "warm fleet": found["warm"],
                }
            )
            for kind in ("cold", "warm"):
                results.target(f"first step of {name}, {kind} fleet", "at most", TARGET, "s", found[kind])
    section.notes.append("seconds; the first column has the start of Python and all imports in it")
