"""Methods: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Method, hookimpl
from ticketbench_methods.after_training import AfterTraining
from ticketbench_methods.annealed import Annealed
from ticketbench_methods.dense import Dense
from ticketbench_methods.dsr import Dsr
from ticketbench_methods.early_bird import EarlyBird
from ticketbench_methods.edge_popup import EdgePopup
from ticketbench_methods.filters import Filters
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.imp import Imp
from ticketbench_methods.iterative import Iterative
from ticketbench_methods.mean_replacement import MeanReplacement
from ticketbench_methods.narang import Narang
from ticketbench_methods.obs import OptimalBrainSurgeon
from ticketbench_methods.oneshot import OneShot
from ticketbench_methods.restart import Restart
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_methods.snfs import Snfs


@hookimpl
def ticketbench_methods() -> Sequence[Method]:
    """The built-in methods."""
    return [
        Dense(),
        OneShot(),
        Iterative(),
        Imp(),
        Rigl(),
        Set(),
        Snfs(),
        Dsr(),
        Gradual(),
        Restart(),
        EarlyBird(),
        EdgePopup(),
        AfterTraining(),
        Filters(),
        MeanReplacement(),
        OptimalBrainSurgeon(),
        Annealed(),
        Narang(),
    ]
