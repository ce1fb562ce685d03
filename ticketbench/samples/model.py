"""A model for ticketbench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import nn

from ticketbench import Model, Shapes, hookimpl, option


@dataclass(frozen=True)
class Sample(Model):
    """f(x) = V·tanh(W·x + b) + c: inputs of any shape are flattened, and one hidden layer reads them.

    W and V can be pruned, b and c cannot. Their first values are PyTorch's, unless a cell's initializer draws others.
    Deviations: the paper's units are logistic.
    """

    name = "sample"
    summary = "a network with one hidden layer"
    reference = "Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors"

    hidden: int = option(100, "units of the hidden layer", at_least=1)

    def build(self, shapes: Shapes) -> nn.Module:
        """Ordinary PyTorch, for one network; every weight of two dimensions or more can be pruned."""
        return nn.Sequential(
            nn.Flatten(), nn.Linear(prod(shapes.inputs), self.hidden), nn.Tanh(), nn.Linear(self.hidden, shapes.outputs)
        )


@hookimpl
def ticketbench_models() -> Sequence[Model]:
    """What this plugin offers."""
    return [Sample()]
