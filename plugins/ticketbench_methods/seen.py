"""What the layers that read units see over a training slice: means, and how the loss depends on what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ticketbench_methods.slices import in_double, training_slice

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ticketbench import Link, Trial

PIECE = 100
"""Examples that go through the network together."""


@dataclass(frozen=True)
class Seen:
    """What a layer read over a training slice, for each of its inputs (columns of its weight), in float64."""

    mean: Tensor
    """ā, over examples and over the positions or steps at which the weight is applied."""
    gradient: Tensor
    """∂L/∂a, summed over examples and positions; L is the mean loss."""
    product: Tensor
    """a·∂L/∂a, summed alike."""


def observe(trial: Trial, links: Mapping[str, Link], examples: int) -> dict[str, Seen]:
    """What the consumer of each producer reads over a training slice, and what each loop reads, by its own name.

    A loop W reads states within a step, where nothing can listen. W·∂L/∂W, summed over a column's rows, is the sum of
    a·∂L/∂a over all steps; and Wᵀ ∂L/∂b is that of ∂L/∂a where W a + b is what the layer takes.
    """
    module = trial.module.double().eval()
    given: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        """A hook that keeps a layer's inputs."""
        return lambda layer, inputs: given.setdefault(name, []).append(inputs[0])

    layers = {name: module.get_submodule(link.consumer.rpartition(".")[0]) for name, link in links.items()}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(keep(name))
    recurrent = [link for link in links.values() if link.loops]
    own = {name: part for name, part in module.named_parameters() if part.requires_grad}
    own = {name: own[name] for link in recurrent for name in (*link.loops, bias_of(link.producer)) if name in own}
    sums: dict[str, list[Tensor]] = {}
    rows: dict[str, int] = {}
    seen = 0
    for piece in training_slice(trial, examples, PIECE):
        given.clear()
        inputs = in_double(piece.inputs)
        loss = trial.criterion(module(inputs), piece) * len(piece)
        wanted = [read for name in layers for read in given[name]]
        slopes = iter(torch.autograd.grad(loss, [*wanted, *own.values()], materialize_grads=True))
        trial.bill(2.0 if recurrent else 1.5, len(piece))  # a backward pass, and forward passes, each half of it
        seen += len(piece)
        found: dict[str, list[Tensor]] = {}
        for name, layer in layers.items():
            read = torch.cat([by_column(part.detach(), layer) for part in given[name]])
            gradient = torch.cat([by_column(next(slopes), layer) for _ in given[name]])
            found[name] = [read.sum(dim=0), gradient.sum(dim=0), (read * gradient).sum(dim=0)]
            rows[name] = rows.get(name, 0) + len(read)
        to_own = dict(zip(own, slopes, strict=True))
        for link in recurrent:
            for loop, states in states_read(module, link, inputs):
                weight, to_bias = own[loop].detach(), to_own.get(bias_of(loop), own[loop].new_zeros(len(own[loop])))
                found[loop] = [states.sum(dim=0), weight.T @ to_bias, (weight * to_own[loop]).sum(dim=0)]
                rows[loop] = rows.get(loop, 0) + len(states)
        for name, new in found.items():
            sums[name] = [old + more for old, more in zip(sums[name], new, strict=True)] if name in sums else new
    return {name: Seen(read / rows[name], slope / seen, both / seen) for name, (read, slope, both) in sums.items()}


@torch.no_grad()
def states_read(module: Any, link: Link, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What each loop of a recurrent layer reads, (steps and examples, units): the states before each step."""
    carried = module.start(len(inputs))
    before = []
    for features in module.embed(inputs).unbind(1):
        before.append(carried)
        carried = module.transition(features, carried)
    for loop, states in zip(link.loops, zip(*before, strict=True), strict=False):
        yield loop, torch.cat(states)


def by_column(read: Tensor, layer: nn.Module) -> Tensor:
    """What a layer reads, or a gradient of it, as (examples and positions, columns of its weight)."""
    features_last = read if isinstance(layer, torch.nn.Linear) else read.movedim(1, -1)
    return features_last.flatten(0, -2)


def bias_of(weight: str) -> str:
    """The name of the bias beside a weight."""
    return f"{weight.rpartition('.')[0]}.bias".removeprefix(".")
