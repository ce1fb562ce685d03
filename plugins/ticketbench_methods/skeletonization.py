"""Skeletonization: units are removed by their relevance, the slope of the error at a gate on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import option
from ticketbench_methods.gates import GateSlopes
from ticketbench_methods.unit_pruning import UnitPruning

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Split, Trial
    from ticketbench_methods.filters import Links


@dataclass(frozen=True)
class Skeletonization(UnitPruning):
    """Train; a unit's relevance is ρ_u = −∂E/∂α_u at α = 1, with α_u a gate at its output; the least relevant go.

    ρ_u is to first order E(without the unit) − E(with it); it has a sign, and a unit that does harm goes first. E is
    the mean over `examples` training examples in evaluation mode.
    error: "linear" = Σ|t − o|, as the paper has it for relevance, because the slope of the training error vanishes
    where the network is right; o are the softmax of the outputs where targets are classes (t is 1 at the class, else
    0), and the outputs themselves where targets are numbers. "criterion" = the task's criterion.
    As for all `UnitPruning`: `rounds`, `scope` and `then`.
    Deviations: the paper removes one unit at a time and trains in between (`rounds` is how often here), averages
    relevance over the course of training with a decay of 0.8 (here it is that of the trained network), and has
    networks of logistic units with a logistic output.
    """

    name = "skeletonization"
    summary = "train, remove the units without which the error changes least, and train the smaller network"
    reference = "Mozer and Smolensky 1989 (Skeletonization, NIPS 1), section 2"

    error: Literal["linear", "criterion"] = option("linear", "the error that relevance is about")

    def unit_scores(self, trial: Trial, links: Links) -> dict[str, Tensor]:
        """−∂E/∂α of every unit."""
        error = linear_error if self.error == "linear" else criterion_of
        return trial.score(GateSlopes(links, self.examples, error, negative_sum))


def negative_sum(slopes: Tensor) -> Tensor:
    """−Σ over examples."""
    return -slopes.sum(dim=0)


def criterion_of(trial: Trial, outputs: Tensor, one: Split) -> Tensor:
    """The task's criterion of one example."""
    return trial.criterion(outputs, one)


def linear_error(trial: Trial, outputs: Tensor, one: Split) -> Tensor:
    """Σ|t − o| of one example."""
    if one.targets.is_floating_point():
        return (one.targets - outputs).abs().sum()
    classes = torch.arange(outputs.shape[1], device=outputs.device).view(1, -1, *[1] * (outputs.ndim - 2))
    return ((one.targets.unsqueeze(1) == classes).to(outputs.dtype) - outputs.softmax(dim=1)).abs().sum()
