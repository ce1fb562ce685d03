"""Mean replacement pruning: units give way to their means, which the next layer's biases take over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from ticketbench import Method, TicketError, Train, keep_top, kept_count, option
from ticketbench_methods.filters import Readers, shrinkable, units_left, without_units
from ticketbench_methods.slices import in_double, training_slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from ticketbench import Trial

PIECE = 100
"""Examples that go through the network together."""


@dataclass(frozen=True)
class Seen:
    """What a layer read over a training slice, for each of its inputs (columns of its weight), in float64."""

    mean: Tensor
    """ā, over examples and over the positions at which the weight is applied."""
    gradient: Tensor
    """∂L/∂a, summed over examples and positions; L is the mean loss."""
    product: Tensor
    """a·∂L/∂a, summed alike."""


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
    scope: "layerwise" = every layer keeps the same fraction of its units, the largest that leaves no more weights
    than the density says, as in filter pruning; "global" = units of all layers are ranked together, as many stay as
    the density allows, and at least the best one of each layer. Scores and means are those before any unit is
    dropped. Shrunk are the layers that one other layer alone reads, as `unit_chain` finds them, where both may be
    pruned; the last layer keeps its outputs.
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
        readers = shrinkable(trial)
        self.check_biases(trial, readers)
        target = kept_count(trial.density, trial.total_weights)
        counts = units_left(readers, trial.weights, target)
        yield trial.train()
        trial.report()
        seen = observe(trial, readers, self.examples)
        scores = {name: self.score(seen[name], readers[name][1]) for name in readers}
        units = {name: keep_top(scores[name], count) for name, count in counts.items()}
        if self.scope == "global":
            units = best_of_all(scores, trial.mask, readers, target)
        if self.replace == "mean":
            trial.set_weights(dict(folded(trial, readers, units, seen)))
        trial.set_mask(without_units(trial.mask, readers, units))
        if self.then == "finetune":
            trial.restart()
        else:
            trial.rewind(trial.snapshot())  # the same weights at the same step: only the optimizer is fresh

    def trainings(self, density: float) -> float:
        """The large network's, and the small one's if it is trained."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0

    def check_biases(self, trial: Trial, readers: Readers) -> None:
        """Every layer that reads a unit can take its mean."""
        for consumer, _ in readers.values():
            if self.replace == "mean" and bias_of(consumer) not in trial.parameters:
                raise TicketError(
                    f"the layer of '{consumer}' has no trainable bias to take over the means of dropped units. What "
                    f'would work: replace = "zero", or a model whose layers have biases'
                )

    def score(self, seen: Seen, positions: int) -> Tensor:
        """|Σ ∂L/∂a·(v − a)| of each unit."""
        value = seen.mean if self.replace == "mean" else torch.zeros_like(seen.mean)
        score = (seen.gradient * value - seen.product).view(-1, positions).sum(dim=1).abs()
        if not bool(score.isfinite().all()):
            raise TicketError("'mean_replacement' found scores that are not finite: did the training diverge?")
        return score


def observe(trial: Trial, readers: Readers, examples: int) -> dict[str, Seen]:
    """What the reader of each producer sees over a training slice."""
    module = trial.module.double().eval()
    given: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        """A hook that keeps a layer's input."""
        return lambda layer, inputs: given.update({name: inputs[0]})

    layers = {name: module.get_submodule(consumer.rpartition(".")[0]) for name, (consumer, _) in readers.items()}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(keep(name))
    sums: dict[str, list[Tensor]] = {}
    seen, rows = 0, dict.fromkeys(layers, 0)
    for piece in training_slice(trial, examples, PIECE):
        loss = trial.criterion(module(in_double(piece.inputs)), piece) * len(piece)
        slopes = torch.autograd.grad(loss, [given[name] for name in layers], materialize_grads=True)
        trial.bill(1.5, len(piece))  # one backward pass, and the forward pass, which costs half of it
        seen += len(piece)
        for (name, layer), slope in zip(layers.items(), slopes, strict=True):
            read, gradient = by_column(given[name].detach(), layer), by_column(slope, layer)
            found = [read.sum(dim=0), gradient.sum(dim=0), (read * gradient).sum(dim=0)]
            sums[name] = [old + new for old, new in zip(sums[name], found, strict=True)] if name in sums else found
            rows[name] += len(read)
    return {name: Seen(read / rows[name], slope / seen, both / seen) for name, (read, slope, both) in sums.items()}


def by_column(read: Tensor, layer: nn.Module) -> Tensor:
    """What a layer reads, or a gradient of it, as (examples and positions, columns of its weight)."""
    features_last = read if isinstance(layer, torch.nn.Linear) else read.movedim(1, -1)
    return features_last.flatten(0, -2)


def best_of_all(
    scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], readers: Readers, target: int
) -> dict[str, Tensor]:
    """The units with the best scores of all layers, as many as leave at most `target` weights; one a layer at least."""
    pinned = torch.cat([score.index_fill(0, score.argmax(), torch.inf) for score in scores.values()])
    sizes = [len(score) for score in scores.values()]

    def units(count: int) -> dict[str, Tensor]:
        """The best so many, as a mask for each layer."""
        return dict(zip(scores, keep_top(pinned, count).split(sizes), strict=True))

    def left(count: int) -> int:
        """How many weights they leave."""
        return sum(int(part.sum()) for part in without_units(mask, readers, units(count)).values())

    counts = range(len(sizes), len(pinned) + 1)
    return units(counts[bisect_right(counts, target, key=left) - 1])


def folded(
    trial: Trial, readers: Readers, units: Mapping[str, Tensor], seen: Mapping[str, Seen]
) -> Iterator[tuple[str, Tensor]]:
    """Every reader's bias with the means of the units that go: b + Σ W_u·ā_u."""
    for name, (consumer, positions) in readers.items():
        gone = ~units[name].repeat_interleave(positions)
        weight, bias = trial.parameters[consumer].double(), bias_of(consumer)
        by_input = weight.reshape(*weight.shape[:2], -1).sum(dim=2)  # a constant meets the whole kernel
        yield bias, trial.parameters[bias] + by_input @ seen[name].mean.where(gone, 0)


def bias_of(weight: str) -> str:
    """The name of the bias beside a weight."""
    return f"{weight.rpartition('.')[0]}.bias".removeprefix(".")
