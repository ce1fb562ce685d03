"""What a probe gets of several members of a fleet at once, where it has a form for that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench.plugin.trial import Trial


class TrialStack(ABC):
    """The trials of several cells that are looked at together, for `Probe.measure_stacked`; each at a step of its own.

    Tensors have a leading axis over the members and are copies: nothing that is done to them changes a cell.

    >>> def measure_stacked(self, stack):  # of a probe: the length of each layer's weights
    ...     lengths = {name: weight.flatten(1).norm(dim=1).tolist() for name, weight in stack.weights.items()}
    ...     return [{name: found[at] for name, found in lengths.items()} for at in range(len(stack))]
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many members there are."""

    @property
    @abstractmethod
    def trials(self) -> Sequence[Trial]:
        """The trials one by one, in the order of the members."""

    @property
    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights by name, zero outside the mask."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Tensor]:
        """Every trainable parameter by name."""

    @property
    @abstractmethod
    def mask(self) -> dict[str, Tensor]:
        """The mask: a bool tensor for every prunable weight."""

    @property
    @abstractmethod
    def origin(self) -> dict[str, Tensor]:
        """Every trainable parameter as each member's present training started from it."""

    @abstractmethod
    def gradient(self, size: int | None = None, at: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """∂L/∂θ of each member on a batch of its own, the one that `trial.batches(1, size)` would draw.

        At the parameters that are given, by name and with a leading axis; else at the prunable weights as the forward
        sees them. Pruned places are included.
        """
