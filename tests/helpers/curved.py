"""Trials on networks whose curvature is known."""

from __future__ import annotations

import copy

from torch import nn

from ticketbench import Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_methods.obs import OptimalBrainSurgeon


def trial_with(layers: nn.Module, task: GivenExamples, density: float) -> Trial:
    """A trial of a network in float64 with its own examples."""
    network = GivenNetwork(copy.deepcopy(layers).double())
    return trial_for(method=OptimalBrainSurgeon(), model=network, task=task, density=density)
