"""Probes: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Probe, hookimpl
from ticketbench_probes.agreement import Agreement
from ticketbench_probes.connection_map import ConnectionMap
from ticketbench_probes.dead_units import DeadUnits
from ticketbench_probes.distance import Distance
from ticketbench_probes.drawing_cost import DrawingCost
from ticketbench_probes.gate_balance import GateBalance
from ticketbench_probes.gradient_flow import GradientFlow
from ticketbench_probes.hessian import Hessian
from ticketbench_probes.interpolation import Interpolation
from ticketbench_probes.jacobian_spectrum import JacobianSpectrum
from ticketbench_probes.layer_density import LayerDensity
from ticketbench_probes.output_spread import OutputSpread
from ticketbench_probes.solution_distances import SolutionDistances


@hookimpl
def ticketbench_probes() -> Sequence[Probe]:
    """The built-in probes."""
    return [
        GradientFlow(),
        Distance(),
        OutputSpread(),
        Hessian(),
        LayerDensity(),
        DeadUnits(),
        DrawingCost(),
        Interpolation(),
        SolutionDistances(),
        Agreement(),
        JacobianSpectrum(),
        GateBalance(),
        ConnectionMap(),
    ]
