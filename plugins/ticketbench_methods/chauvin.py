"""Chauvin's back-propagation with an energy of hidden units, so that no more of them are used than needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Link, Method, Regime, Train, kept_count, option
from ticketbench_methods.activity import Listener
from ticketbench_methods.filters import shrinkable, strongest, units_left, without_units

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView, Trial

Form = Literal["linear", "logarithmic", "saturating"]
"""e with e′(o²) = 1/(1 + o²)ⁿ for n = 0, 1, 2: o², log(1 + o²), o²/(1 + o²)."""


@dataclass(frozen=True)
class Energy(Regime):
    """strength·Σ e(o²) over hidden units, averaged over given examples and, of each unit, positions or steps."""

    strength: float = 0.0
    form: Form = "saturating"
    examples: int = 0
    links: tuple[Link, ...] = ()
    listener: Listener | None = field(default=None, compare=False, repr=False)
    inputs: Tensor | None = field(default=None, compare=False, repr=False)
    """The first `examples` training examples: the same ones for all who have equal options."""

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        assert self.listener is not None
        assert self.inputs is not None
        said = self.listener.said(step.weights, self.inputs)
        return self.strength * torch.stack([energies(each, self.form).sum() for each in said]).sum()


@dataclass(frozen=True)
class Chauvin(Method):
    """Train with the energy of hidden units added to the loss, drop the units that spend least, and train again.

    The loss is L + `strength`·Σ_j e(o_j²) with o_j a hidden unit's output and e′(o²) = 1/(1 + o²)ⁿ. form: n = 0,
    "linear" (all units are pressed alike), n = 1, "logarithmic", and n = 2, "saturating": o²/(1 + o²), which presses
    units that say little more than those that say much. e is averaged over examples, and over the positions of a
    channel or the steps of a recurrent unit; an output is what the next layer reads, after activation, norm and
    pooling.
    A unit that is not needed to lower the error comes to say nothing. Of a layer's n units the max(1, ⌊f·n + ½⌋) with
    the most energy stay, f the largest fraction for which no more weights are left than the density says, the same in
    all layers; as energies find no count, this cut decides. Shrunk are the layers that `unit_chain` finds, as in filter
    pruning. The trained network is a point of the curve; noted is the "share of energy" that is dropped.
    then: "finetune" = the weights stay and the schedule restarts without the energy; "stop" = the network is judged as
    pruned, and trained again only where the protocol trains elsewhere.
    Deviations: the paper sums over all patterns; here each step's energy is that of the first `examples` training
    examples, in evaluation mode (batch norms with these examples' statistics), beside the loss on the step's batch. It
    trains sigmoid units with squared errors; here units and loss are the model's and the task's. At density 1 nothing
    is dropped, and the network is trained once, with the energy.
    """

    name = "chauvin"
    summary = "train with the energy of hidden units as a penalty, and drop those that spend least"
    reference = "Chauvin 1989 (A back-propagation algorithm with optimal use of hidden units, NIPS 1)"
    removes_units = True
    mixes = False

    strength: float = option(1e-2, "μ of the energy", at_least=0.0)
    form: Form = option("saturating", "how the energy grows with a unit's output")
    examples: int = option(100, "training examples that the energy is taken over", at_least=1)
    then: Literal["finetune", "stop"] = option("finetune", "what comes after units are dropped")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train with the energy, drop, and start again."""
        links = shrinkable(trial)
        piece = next(trial.batches(0, self.examples))  # from the start of the split, the same for all seeds
        listener = Listener(trial.module, tuple(links.values()))
        regime = Energy(self.strength, self.form, len(piece), listener.links, listener, piece.inputs)
        if trial.density == 1:
            yield trial.train(regime=regime)
            return
        counts = units_left(links, trial.weights, kept_count(trial.density, trial.total_weights))
        yield trial.train(regime=regime)
        trial.bill(1.5 * trial.total_steps, len(piece))  # a forward and a backward pass a step
        trial.report()
        with torch.no_grad():
            said = listener.said(trial.parameters, piece.inputs)
        spent = {name: energies(each, self.form) for name, each in zip(links, said, strict=True)}
        units = strongest(spent, counts)
        gone = sum(float(spent[name].where(~units[name], 0).sum()) for name in links)
        trial.note("share of energy", gone / max(1e-30, sum(float(each.sum()) for each in spent.values())))
        trial.set_mask(without_units(trial.mask, links, units))
        if self.then == "finetune":
            trial.restart()
        else:
            trial.rewind(trial.snapshot())  # the same weights at the same step: only the optimizer is fresh

    def trainings(self, density: float) -> float:
        """The large network's, and the small one's if it is trained."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0


def energies(said: Tensor, form: Form) -> Tensor:
    """The mean e(o²) of each unit, of outputs (rows, units)."""
    squares = said.square()
    if form == "logarithmic":
        return squares.log1p().mean(dim=0)
    return (squares / (1 + squares) if form == "saturating" else squares).mean(dim=0)
