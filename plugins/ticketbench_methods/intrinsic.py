"""Intrinsic sparse structures: a group lasso on all weights of a hidden unit, so that units go as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Link, Method, Regime, Train, kept_count, option
from ticketbench_methods.filters import shrinkable, strongest, units_left, without_units
from ticketbench_methods.unit_norms import unit_norms

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView, Trial


@dataclass(frozen=True)
class UnitLasso(Regime):
    """strength·Σ‖θ_k‖₂ over the units k of some layers, θ_k all weights that come and go with a unit."""

    strength: float = 0.0
    links: tuple[Link, ...] = ()

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        return self.strength * torch.stack([unit_norms(step.weights, link).sum() for link in self.links]).sum()


@dataclass(frozen=True)
class Intrinsic(Method):
    """Train under a group lasso whose groups are units, drop the units with the smallest groups, and train again.

    The loss is L + `strength`·Σ_k ‖θ_k‖₂. θ_k are the weights that go if the unit k goes: its row in every gate of all
    weights of the layer, the columns that read its state, in the layer and in the read-out; a weight that is in two
    groups counts in both. Without these the network is one of a smaller layer, whose gates and states all have the
    smaller size. Biases are in no group.
    Of a layer's n units the max(1, ⌊f·n + ½⌋) with the largest ‖θ_k‖₂ stay, f the largest fraction for which no more
    weights are left than the density says, the same in all layers. The lasso finds units by itself; as it cannot find a
    count, this cut decides. The trained network is a point of the curve; noted is the "share of norm" that is dropped,
    Σ‖θ_k‖₂ of what goes over that of all.
    It works on recurrent layers, and on others as `unit_chain` finds them (the paper has LSTMs and highway networks).
    then: "finetune" = the weights stay and the schedule restarts without the lasso; "stop" = the network is judged as
    pruned, and trained again only where the protocol trains elsewhere.
    Deviations: the paper sets weights below a small threshold to zero after each step, so that a group can come to
    rest at zero; here the cut does so once. It starts from a trained network or from none; here from none. Dropout is
    the model's. At density 1 nothing is dropped, and the network is trained once, under the lasso.
    """

    name = "intrinsic"
    summary = "train under a group lasso on hidden units, drop the smallest, and train the smaller network"
    reference = "Wen et al. 2018 (Learning intrinsic sparse structures within LSTM, arXiv 1709.05027), equations 1 to 4"
    removes_units = True
    mixes = False

    strength: float = option(1e-3, "λ of the group lasso", at_least=0.0)
    then: Literal["finetune", "stop"] = option("finetune", "what comes after units are dropped")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train under the lasso, drop, and start again."""
        links = shrinkable(trial)
        lasso = UnitLasso(self.strength, tuple(links.values()))
        if trial.density == 1:
            yield trial.train(regime=lasso)
            return
        counts = units_left(links, trial.weights, kept_count(trial.density, trial.total_weights))
        yield trial.train(regime=lasso)
        trial.report()
        parameters = trial.parameters
        norms = {name: unit_norms(parameters, link) for name, link in links.items()}
        units = strongest(norms, counts)
        gone = sum(float(norms[name].where(~units[name], 0).sum()) for name in links)
        trial.note("share of norm", gone / max(1e-30, sum(float(norm.sum()) for norm in norms.values())))
        trial.set_mask(without_units(trial.mask, links, units))
        if self.then == "finetune":
            trial.restart()
        else:
            trial.rewind(trial.snapshot())  # the same weights at the same step: only the optimizer is fresh

    def trainings(self, density: float) -> float:
        """The large network's, and the small one's if it is trained."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0
