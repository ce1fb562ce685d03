"""The sections of the check, in their order: what each is called, what share of the time it has, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.gpu import (
    agreement,
    busy,
    first_steps,
    init_fleets,
    judging,
    kernel_checks,
    large,
    mixed_fleets,
    projections,
)
from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from ticketbench.plugin.loading import Plugins

Work = Callable[[Machine, Plugins, Results, Section, Allowance], None]
"""Adds rows to the section until it is done or the time is up."""


@dataclass(frozen=True)
class Part:
    """A section that is to come."""

    name: str
    title: str
    share: float
    """Of the time, as a part of the sum of all shares."""
    columns: tuple[str, ...]
    work: Work


PARTS = (
    Part("agreement", "CUDA against the CPU, smoke tiers", 26, agreement.COLUMNS, agreement.compare),
    Part(
        "init",
        "Fleets of the init suite's MLP, beside a hand-written step",
        14,
        init_fleets.COLUMNS,
        init_fleets.measure,
    ),
    Part("mixed", "MLPs of gradflow and lth", 13, mixed_fleets.COLUMNS, mixed_fleets.measure),
    Part("first", "Seconds to the first step", 11, first_steps.COLUMNS, first_steps.measure),
    Part("dtnet", "DT-Net of width 400", 9, large.COLUMNS, large.measure_dtnet),
    Part("judging", "The test of a DT-Net", 4, judging.COLUMNS, judging.measure),
    Part("gru", "GRU of 400 units", 6, large.COLUMNS, large.measure_gru),
    Part("busy", "The share of time that the GPU is busy", 7, busy.COLUMNS, busy.measure),
    Part("paper", "Paper tiers, projected", 17, projections.COLUMNS, projections.project),
    Part("kernels", "Kernels against their twins", 7, kernel_checks.COLUMNS, kernel_checks.check),
)
