"""Recurrent modules: what scorers and probes may ask of a network whose one layer is repeated over time.

A model whose module has these members takes part in every method, and in those scorers and probes, too, that look at
single steps. The layer's weights hold a block of `hidden` rows for each gate, in the order of `gates`.

Whole units can be removed, too, where the module itself holds no parameters but these weights and a `bias` of as many
rows, no buffers but states (rows, hidden), takes all sizes from them or from `hidden`, and `read` gives the states to
one nn.Linear alone. A unit then has a row in each gate's block, and a column in every weight that reads states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    Carried = tuple[Tensor, ...]
    """What is handed from step to step, each (batch, hidden); the hidden state comes first."""


@runtime_checkable
class Recurrent(Protocol):
    """A network h_t = f(x_t, h_{t−1}) with a read-out of h."""

    hidden: int
    """Units of the layer."""
    gates: tuple[str, ...]
    """The names of the row blocks of every weight of the layer."""
    layer: Mapping[str, str]
    """Role -> the name of that weight, (gates · hidden, columns): "input" reads features, "hidden" the hidden state,
    "peephole" the memory, which is carried second."""

    def embed(self, inputs: Tensor) -> Tensor:
        """What the layer reads at each step, (batch, steps, features)."""
        ...

    def start(self, examples: int) -> Carried:
        """The state before the first step, usually zeros, for so many examples."""
        ...

    def transition(self, features: Tensor, carried: Carried) -> Carried:
        """One step: features (batch, features), and the state before it."""
        ...

    def read(self, hidden: Tensor) -> Tensor:
        """The network's outputs for hidden states (…, hidden), of one step or of many."""
        ...
