"""Probes: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Probe, hookimpl
from ticketbench_probes.dead_units import DeadUnits
from ticketbench_probes.drawing_cost import DrawingCost
from ticketbench_probes.gradient_norm import GradientNorm
from ticketbench_probes.layer_density import LayerDensity


@hookimpl
def ticketbench_probes() -> Sequence[Probe]:
    """The built-in probes."""
    return [GradientNorm(), LayerDensity(), DeadUnits(), DrawingCost()]
