"""Scorers: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Scorer, hookimpl
from ticketbench_scorers.force import Force
from ticketbench_scorers.grasp import Grasp
from ticketbench_scorers.jacobian import Jacobian
from ticketbench_scorers.lamp import Lamp
from ticketbench_scorers.magnitude import Magnitude
from ticketbench_scorers.normalised import GraspNormalised, SnipNormalised
from ticketbench_scorers.ntk_sap import NtkSap
from ticketbench_scorers.obd import OptimalBrainDamage
from ticketbench_scorers.prospr import Prospr
from ticketbench_scorers.random import Random
from ticketbench_scorers.snip import Snip
from ticketbench_scorers.synflow import Synflow
from ticketbench_scorers.taylor import Taylor


@hookimpl
def ticketbench_scorers() -> Sequence[Scorer]:
    """The built-in scorers."""
    return [
        Random(),
        Magnitude(),
        Snip(),
        Grasp(),
        Synflow(),
        Lamp(),
        OptimalBrainDamage(),
        Jacobian(),
        SnipNormalised(),
        GraspNormalised(),
        Taylor(),
        Force(),
        Prospr(),
        NtkSap(),
    ]
