"""Probes: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Probe, hookimpl
from ticketbench_probes.gradient_norm import GradientNorm


@hookimpl
def ticketbench_probes() -> Sequence[Probe]:
    """The built-in probes."""
    return [GradientNorm()]
