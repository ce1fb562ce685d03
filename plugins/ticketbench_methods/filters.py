"""Filter pruning: whole filters and units, so that the network gets smaller."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, TicketError, Train, keep_top, kept_count, option, unit_chain

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Link, Trial

    Links = Mapping[str, Link]
    """Weight whose rows are units -> what else makes and reads them."""


@dataclass(frozen=True)
class Filters(Method):
    """Train to the end, drop the weakest filters of every layer with what reads them, and train again.

    A filter's strength is s_j = Σ|K_j|, the sum of its weights' scores by the row's scorer; a unit of a linear layer
    is a filter of size 1. Of a layer's n units the max(1, ⌊f·n + ½⌋) strongest stay, with the same f in every layer.
    A dropped unit goes with its incoming weights and with the columns of the next layer that read it: after a
    flattening, all its positions. f is the largest for which no more weights are left than the density says.
    Shrunk are the layers that one other layer alone reads, as `unit_chain` finds them, where both may be pruned;
    the last layer keeps its outputs. Strengths are those before any unit is dropped ("independent" in the paper).
    A unit of a recurrent layer is a row of every gate in all weights of the layer, which are its strength. It goes
    with the columns that read its states, in the layer and in the read-out, and with its biases; a read-out that may
    not be pruned does not count for the density.
    then: "finetune" = the trained weights stay and the schedule restarts; "rewind" = back to the initialization;
    "scratch" = new weights, "scratch-E" of Liu et al. 2019.
    Deviations: the paper picks a ratio for each stage by its sensitivity, and fine-tunes at a constant small
    learning rate. At density 1 there is nothing to drop, and the network is trained once.
    """

    name = "filters"
    summary = "train, drop the weakest filters of every layer, and train the smaller network"
    reference = "Li et al. 2017 (arXiv 1608.08710), section 3.1; from scratch: Liu et al. 2019 (arXiv 1810.05270)"
    ranks_by = "magnitude"
    removes_units = True

    then: Literal["finetune", "rewind", "scratch"] = option("finetune", "what the smaller network starts from")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train, drop, and start again."""
        if trial.density == 1:
            return
        start = trial.snapshot()
        links = shrinkable(trial)
        counts = units_left(links, trial.weights, kept_count(trial.density, trial.total_weights))
        yield trial.train()
        trial.report()
        trial.set_mask(without_units(trial.mask, links, strongest(strengths(trial.score(), links), counts)))
        if self.then == "rewind":
            trial.rewind(start)
        elif self.then == "scratch":
            trial.reinitialize()
        else:
            trial.restart()

    def trainings(self, density: float) -> float:
        """The large network's and the small one's."""
        return 2.0 if density < 1 else 1.0


def shrinkable(trial: Trial) -> Links:
    """The weights whose units can be dropped: both ends of the link may be pruned, or all of a recurrent layer."""
    prunable = trial.weights.keys()
    links = {link.producer: link for link in unit_chain(trial.module) if {*link.makers} <= prunable}
    found = {name: link for name, link in links.items() if link.loops or link.consumer in prunable}
    if not found:
        raise TicketError(
            "no units can be dropped: no prunable layer of this model is read by one other prunable layer alone, "
            "or is recurrent with a linear read-out, or its forward cannot be traced; a method that prunes single "
            "weights works"
        )
    return found


def units_left(links: Links, weights: Mapping[str, Tensor], target: int) -> dict[str, int]:
    """The units each layer keeps, by the largest fraction that leaves at most `target` weights."""
    units = {name: link.units(weights[name].shape[0]) for name, link in links.items()}

    def counts(fraction: Fraction) -> dict[str, int]:
        """What a fraction leaves of each layer."""
        return {name: max(1, math.floor(fraction * size + Fraction(1, 2))) for name, size in units.items()}

    def kept(fraction: Fraction) -> int:
        """How many weights that is."""
        shapes = {name: list(weight.shape) for name, weight in weights.items()}
        for name, count in counts(fraction).items():
            for maker in links[name].makers:
                shapes[maker][0] = count * links[name].gates
            for reader, positions in links[name].readers.items():
                if reader in shapes:
                    shapes[reader][1] = count * positions
        return sum(math.prod(shape) for shape in shapes.values())

    least, total = kept(Fraction(0)), sum(weight.numel() for weight in weights.values())
    if least > target:
        raise TicketError(
            f"one unit a layer is {least} of {total} weights, more than the {target} of this density; "
            f"the smallest density possible is {least / total:.6g}"
        )
    # a layer of n units keeps one more at f = (2k − 1)/2n, and nothing changes between these fractions
    changes = sorted({Fraction(2 * at - 1, 2 * size) for size in units.values() for at in range(1, size + 1)})
    return counts(changes[bisect_right(changes, target, key=kept) - 1])


def strengths(scores: Mapping[str, Tensor], links: Links) -> dict[str, Tensor]:
    """The sum of the scores of each unit's incoming weights."""
    found = {}
    for name, link in links.items():
        first, *others = (scores[maker].flatten(1).sum(dim=1) for maker in link.makers)
        found[name] = link.by_unit(sum(others, first)).sum(dim=0)
    return found


def strongest(strength: Mapping[str, Tensor], counts: Mapping[str, int]) -> dict[str, Tensor]:
    """The units with the largest strengths, as a mask for each layer."""
    return {name: keep_top(strength[name], count) for name, count in counts.items()}


def without_units(mask: Mapping[str, Tensor], links: Links, units: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A mask less the rows of dropped units and the columns that read them."""
    smaller = {name: part.clone() for name, part in mask.items()}
    for name, stays in units.items():
        for maker in links[name].makers:
            smaller[maker][links[name].to_rows(~stays)] = False
        for reader, positions in links[name].readers.items():
            if reader in smaller:
                smaller[reader][:, ~stays.repeat_interleave(positions)] = False
    return smaller
