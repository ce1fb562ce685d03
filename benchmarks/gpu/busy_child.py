"""The process that `busy` starts: fleets under a profiler, and a line about each."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.children import LATE, say
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.stretch import timed
from benchmarks.gpu.troubles import in_a_line
from benchmarks.gpu.workloads import fleet_named
from ticketbench.plugin.loading import Plugins, load_plugins

SECONDS = 1.0
"""To time a fleet before the profiler starts."""


def main(how: str, seconds: float, names: list[str]) -> None:
    """Say a line about each fleet, as long as there is time."""
    machine, until, plugins = Machine(rehearsal=how == "rehearse"), Allowance.of(seconds), load_plugins()
    machine.prepare()
    with profiler(machine):
        torch.ones(8, device=machine.device).sum().item()
    for number, name in enumerate(names):
        if until.over:
            say({LATE: name})
        else:
            try:
                look_at(machine, plugins, name, until.part(len(names) - number))
            except Exception as error:  # what one fleet cannot do is no reason to leave the others out
                say({LATE: f"{name} ({in_a_line(error)})"})


def profiler(machine: Machine) -> profile:
    """Of what the device computes."""
    kind = ProfilerActivity.CPU if machine.rehearsal else ProfilerActivity.CUDA
    return profile(activities=[kind], acc_events=True)


def look_at(machine: Machine, plugins: Plugins, name: str, until: Allowance) -> None:
    """One fleet: some steps on the clock, then those up to the next note of the loss under the profiler."""
    tier, cells = fleet_named(name, machine, plugins)
    watch: Any = profiler(machine)  # torch leaves its events without types
    headline = tier.headline(cells[0])
    seconds = min(SECONDS, until.left() / 4)
    stretch = timed(machine, cells, tier.resolver, headline, seconds, until, warm=5, watch=watch)
    kind = DeviceType.CPU if machine.rehearsal else DeviceType.CUDA
    events = watch.events() if stretch.watched else []
    spans = [(event.time_range.start, event.time_range.end) for event in events if event.device_type == kind]
    covered, whole = coverage(spans)
    say(
        {
            "fleet": name,
            "members": len(cells),
            "busy": covered / whole if whole else None,
            "kernels": len(spans),
            "µs a step": stretch.microseconds,
            "engine": stretch.how,
        }
    )


def coverage(spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """How much of the time spans cover together, and how much lies between the first and the last.

    >>> coverage([(0, 2), (1, 3), (5, 6)])
    (4, 6)
    """
    covered, first, end = 0.0, None, 0.0
    for start, stop in sorted(spans):
        if first is None:
            first, end = start, start
        covered += max(0, stop - max(start, end))
        end = max(end, stop)
    return covered, end - (0.0 if first is None else first)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
