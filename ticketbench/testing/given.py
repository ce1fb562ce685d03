"""A network and examples that a test has made itself, as a model and a task for a trial."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from ticketbench.plugin.contracts import Model, Shapes, Sizes, Split
from ticketbench.testing.blobs import Blobs


class GivenNetwork(Model):
    """A model that builds copies of a module that is there already, in the module's own precision.

    >>> import torch
    >>> from ticketbench.testing import GivenExamples, trial_for
    >>> layer = nn.Linear(2, 3).double()
    >>> examples = GivenExamples(torch.ones(4, 2).double(), torch.tensor([0, 1, 2, 0]))
    >>> trial_for(model=GivenNetwork(layer), task=examples).weights["weight"].equal(layer.weight)
    True
    """

    name = "given network"
    summary = "a network that a test has made"

    def __init__(self, module: nn.Module, prunable: Sequence[str] | None = None) -> None:
        self._module = module
        self._prunable = prunable

    def build(self, shapes: Shapes) -> nn.Module:
        """A copy of the module, whatever the task's shapes are."""
        return copy.deepcopy(self._module)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The weights that the test names, in its order; without any, those that every model prunes."""
        return super().prunable(module) if self._prunable is None else list(self._prunable)


class GivenExamples(Blobs):
    """A task of examples that are there already: they are trained and tested on, and none validates.

    Loss and metrics are those of the blobs; a subclass may have others.
    """

    name = "given examples"
    summary = "examples that a test has made"

    def __init__(self, inputs: Tensor, targets: Tensor, outputs: int | None = None) -> None:
        counted = targets.shape[-1] if targets.is_floating_point() else int(targets.max()) + 1
        super().__init__(Shapes(tuple(inputs.shape[1:]), counted if outputs is None else outputs))
        self.examples = Split(inputs, targets)

    def sizes(self) -> Sizes:
        """As many examples as were given, for training and for the test; none to validate."""
        return Sizes(len(self.examples), 0, len(self.examples))

    def training(self) -> tuple[Split, Split]:
        """The examples, and a validation split without any."""
        return self.examples, Split(self.examples.inputs[:0], self.examples.targets[:0])

    def test(self) -> Split:
        """The same examples."""
        return self.examples
