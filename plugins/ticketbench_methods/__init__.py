"""Methods: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Method, hookimpl
from ticketbench_methods.after_training import AfterTraining
from ticketbench_methods.annealed import Annealed
from ticketbench_methods.block_lasso import BlockLasso
from ticketbench_methods.chauvin import Chauvin
from ticketbench_methods.dense import Dense
from ticketbench_methods.dsr import Dsr
from ticketbench_methods.early_bird import EarlyBird
from ticketbench_methods.edge_popup import EdgePopup
from ticketbench_methods.filters import Filters
from ticketbench_methods.forgetting import Forgetting
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.grow_and_prune import GrowAndPrune
from ticketbench_methods.imp import Imp
from ticketbench_methods.intrinsic import Intrinsic
from ticketbench_methods.iterative import Iterative
from ticketbench_methods.l0 import L0
from ticketbench_methods.learning_compression import LearningCompression
from ticketbench_methods.mean_replacement import MeanReplacement
from ticketbench_methods.narang import Narang
from ticketbench_methods.obs import OptimalBrainSurgeon
from ticketbench_methods.oneshot import OneShot
from ticketbench_methods.penalized import Penalized
from ticketbench_methods.restart import Restart
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_methods.skeletonization import Skeletonization
from ticketbench_methods.snfs import Snfs
from ticketbench_methods.soft_threshold import SoftThreshold
from ticketbench_methods.supermask import Supermask
from ticketbench_methods.surgery import DynamicSurgery
from ticketbench_methods.taylor_units import TaylorUnits
from ticketbench_methods.trace_norm import TraceNorm
from ticketbench_methods.variational import VariationalDropout
from ticketbench_methods.weight_classes import WeightClasses
from ticketbench_methods.weight_sharing import SoftWeightSharing
from ticketbench_methods.wirings import Wirings


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
        Skeletonization(),
        TaylorUnits(),
        GrowAndPrune(),
        Penalized(),
        Chauvin(),
        Forgetting(),
        LearningCompression(),
        BlockLasso(),
        Intrinsic(),
        TraceNorm(),
        WeightClasses(),
        DynamicSurgery(),
        SoftThreshold(),
        L0(),
        VariationalDropout(),
        Wirings(),
        Supermask(),
        SoftWeightSharing(),
    ]
