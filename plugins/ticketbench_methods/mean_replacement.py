"""Mean replacement pruning: units give way to their means, which the next layer's biases take over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, TicketError, Train, keep_top, kept_count, option
from ticketbench_methods.filters import shrinkable, strongest, units_left, without_units
from ticketbench_methods.seen import Seen, bias_of, observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ticketbench import Trial
    from ticketbench_methods.filters import Links


@dataclass(frozen=True)
class MeanReplacement(Method):
    """Train to the end; replace the units that matter least by their means, fold these into biases, train again.

    A unit's output a is what the next layer reads of it, after activation, norm and pooling. Its score is the size of
    the first-order change of the loss if it is replaced by v: s = |Σ ∂L/∂a·(v − a)|, with L the mean criterion over
    `examples` training examples in evaluation mode, and the sum over examples and all positions of the unit: the
    absolute value is that of the whole sum, so that opposite changes cancel. The units with the smallest s go, with
    their incoming weights and the columns that read them.
    replace: "mean" = v is ā, the unit's mean over these examples, and goes into the bias of the layer that reads it:
    b ← b + W_u·ā, so that a unit that never changes is removed without a trace; "zero" = v is 0, the Taylor score of
    Molchanov et al. 2017 without its norms, and nothing is folded.
    A channel has one mean over all positions; where a flattened map is read, each position has its own. Folding is
    exact but for a convolution that pads with zeros: there ā reaches beyond the border, too. A layer without a bias
    cannot take a mean: that is an error.
    A unit of a recurrent layer is read by the layer itself at every step, the first of which reads zeros, and by the
    read-out: each bias takes the mean of what its weight reads, and s is over all of them. A GRU's candidate reads
    r · (U h), but its bias stands beside: the mean is taken over as if the reset gate r were open, and s is the change
    by that. A full peephole reads the memory before the step, for its output gate as for the others.
    scope: "layerwise" = every layer keeps the same fraction of its units, the largest that leaves no more weights
    than the density says, as in filter pruning; "global" = units of all layers are ranked together, as many stay as
    the density allows, and at least the best one of each layer. Scores and means are those before any unit is
    dropped. Shrunk are the layers that one other layer alone reads, as `unit_chain` finds them, where both may be
    pruned, and recurrent layers; the last layer keeps its outputs.
    then: "finetune" = the weights stay and the schedule restarts; "stop" = the network is judged as pruned, and trained
    again only where the protocol trains elsewhere. The dense network is a point of the curve.
    Deviation: the paper removes units while training goes on; here once, at its end. At density 1 there is nothing to
    drop, and the network is trained once.
    """

    name = "mean_replacement"
    summary = "train, replace the units that matter least by their means, and train the smaller network"
    reference = "Evci, Le Roux, Castro and Bottou 2018 (Mean replacement pruning, openreview.net/forum?id=BJxRVnC5Fm)"
    removes_units = True

    replace: Literal["mean", "zero"] = option("mean", "what stands for a dropped unit")
    scope: Literal["layerwise", "global"] = option("layerwise", "whether layers share the budget or compete for it")
    examples: int = option(1000, "training examples that scores and means are taken over; 0 for all", at_least=0)
    then: Literal["finetune", "stop"] = option("finetune", "what comes after pruning")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train, replace, and start again."""
        if trial.density == 1:
            return
        links = shrinkable(trial)
        self.check_biases(trial, links)
        target = kept_count(trial.density, trial.total_weights)
        counts = units_left(links, trial.weights, target)
        yield trial.train()
        trial.report()
        seen = observe(trial, links, self.examples)
        scores = {
            name: self.score(seen[name], link.positions, *(seen[loop] for loop in link.loops))
            for name, link in links.items()
        }
        units = strongest(scores, counts)
        if self.scope == "global":
            units = best_of_all(scores, trial.mask, links, target)
        if self.replace == "mean":
            trial.set_weights(folded(trial, links, units, seen))
        trial.set_mask(without_units(trial.mask, links, units))
        if self.then == "finetune":
            trial.restart()
        else:
            trial.rewind(trial.snapshot())  # the same weights at the same step: only the optimizer is fresh

    def trainings(self, density: float) -> float:
        """The large network's, and the small one's if it is trained."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0

    def check_biases(self, trial: Trial, links: Links) -> None:
        """Every layer that reads a unit can take its mean."""
        parameters = trial.parameters
        for reader in (reader for link in links.values() for reader in link.readers):
            if self.replace == "mean" and bias_of(reader) not in parameters:
                raise TicketError(
                    f"the layer of '{reader}' has no trainable bias to take over the means of dropped units. What "
                    f'would work: replace = "zero", or a model whose layers have biases'
                )

    def score(self, seen: Seen, positions: int, *loops: Seen) -> Tensor:
        """|Σ ∂L/∂a·(v − a)| of each unit, over what its consumer reads of it and what its own layer does."""
        change = sum((self.change(loop) for loop in loops), self.change(seen).view(-1, positions).sum(dim=1))
        if not bool(change.isfinite().all()):
            raise TicketError("'mean_replacement' found scores that are not finite: did the training diverge?")
        return change.abs()

    def change(self, seen: Seen) -> Tensor:
        """Σ ∂L/∂a·(v − a) of each input."""
        value = seen.mean if self.replace == "mean" else torch.zeros_like(seen.mean)
        return seen.gradient * value - seen.product


def best_of_all(
    scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], links: Links, target: int
) -> dict[str, Tensor]:
    """The units with the best scores of all layers, as many as leave at most `target` weights; one a layer at least."""
    pinned = torch.cat([score.index_fill(0, score.argmax(), torch.inf) for score in scores.values()])
    sizes = [len(score) for score in scores.values()]

    def units(count: int) -> dict[str, Tensor]:
        """The best so many, as a mask for each layer."""
        return dict(zip(scores, torch.split(keep_top(pinned, count), sizes), strict=True))

    def left(count: int) -> int:
        """How many weights they leave."""
        return sum(int(part.sum()) for part in without_units(mask, links, units(count)).values())

    counts = range(len(sizes), len(pinned) + 1)
    return units(counts[bisect_right(counts, target, key=left) - 1])


def folded(trial: Trial, links: Links, units: Mapping[str, Tensor], seen: Mapping[str, Seen]) -> dict[str, Tensor]:
    """Every reader's bias with the means of the units that go: b + Σ W_u·ā_u."""
    biases: dict[str, Tensor] = {}
    parameters = trial.parameters
    for name, link in links.items():
        for reader, positions in link.readers.items():
            gone = ~units[name].repeat_interleave(positions)
            weight, bias = parameters[reader].double(), bias_of(reader)
            by_input = weight.reshape(*weight.shape[:2], -1).sum(dim=2)  # a constant meets the whole kernel
            mean = seen[reader if reader in link.loops else name].mean
            biases[bias] = biases.get(bias, parameters[bias]) + by_input @ mean.where(gone, 0)
    return biases
