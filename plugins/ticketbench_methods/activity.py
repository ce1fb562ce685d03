"""What the units of a network say on given examples, as a function of its weights that can be stacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call

from ticketbench_methods.seen import by_column

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Link

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Listener(nn.Module):
    """A network whose forward gives what is read of each linked layer's units, (examples and positions, units) each.

    It is in evaluation mode but for its batch norms, which take the examples' own statistics.
    """

    def __init__(self, module: nn.Module, links: tuple[Link, ...]) -> None:
        super().__init__()
        self.module = module.eval()
        self.links = links
        for part in module.modules():
            if isinstance(part, NORMS):
                part.running_mean = part.running_var = None

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Layer by layer, in the order of the links."""
        if any(link.loops for link in self.links):
            return [self.states(inputs)]
        given: dict[str, Tensor] = {}

        def keep(name: str) -> Any:
            """A hook that keeps what a layer reads."""
            return lambda layer, read: given.__setitem__(name, read[0])

        readers = [self.module.get_submodule(link.consumer.rpartition(".")[0]) for link in self.links]
        pairs = list(zip(self.links, readers, strict=True))
        hooks = [layer.register_forward_pre_hook(keep(link.consumer)) for link, layer in pairs]
        try:
            self.module(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return [by_unit(by_column(given[link.consumer], layer), link.positions) for link, layer in pairs]

    def states(self, inputs: Tensor) -> Tensor:
        """The hidden states of a recurrent layer after each step, all steps and examples in a row."""
        layer: Any = self.module
        carried, states = layer.start(len(inputs)), []
        for features in layer.embed(inputs).unbind(1):
            carried = layer.transition(features, carried)
            states.append(carried[0])
        return torch.cat(states)

    def said(self, weights: Mapping[str, Tensor], inputs: Tensor) -> list[Tensor]:
        """The same with these weights in the place of the network's own."""
        found: list[Tensor] = functional_call(self, {f"module.{name}": part for name, part in weights.items()}, inputs)
        return found


def by_unit(read: Tensor, positions: int) -> Tensor:
    """(rows, columns) as (rows and positions, units), each unit with as many neighbouring columns."""
    return read.reshape(len(read), -1, positions).transpose(1, 2).flatten(0, 1)
