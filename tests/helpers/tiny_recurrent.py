"""Tiny recurrent modules whose Jacobians are known, and a trial of any module with a recurrent layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ticketbench import Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for


class Straight(nn.Module):
    """h_t = W x_t + U h_{t−1}: the Jacobian is U at every step."""

    gates = ("state",)

    def __init__(self, taken: Sequence[Sequence[float]], kept: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.taken, self.kept = nn.Parameter(torch.tensor(taken)), nn.Parameter(torch.tensor(kept))
        self.hidden = len(kept)
        self.layer = {"input": "taken", "hidden": "kept"}

    def embed(self, inputs: Tensor) -> Tensor:
        """The sequence itself."""
        return inputs

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """Zeros."""
        return (self.kept.new_zeros(examples, self.hidden),)

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step."""
        return (features @ self.taken.T + carried[0] @ self.kept.T,)

    def read(self, hidden: Tensor) -> Tensor:
        """The state."""
        return hidden


class Squared(Straight):
    """h_t = x_t + (U h_{t−1})²: with U = 1, J is 2·h_{t−1} on the diagonal, so that it tells the steps apart."""

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step."""
        return (features @ self.taken.T + (carried[0] @ self.kept.T).square(),)


class Remembering(Straight):
    """h_t = W x_t + U h_{t−1} + m_{t−1} and m_t = 5·h_{t−1}: a memory beside the state, which J leaves alone."""

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """Zeros, twice."""
        return (self.kept.new_zeros(examples, self.hidden), self.kept.new_zeros(examples, self.hidden))

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step."""
        return (super().transition(features, carried)[0] + carried[1], 5 * carried[0])


class Blocks(nn.Module):
    """A layer of two units and two gates, of which only the masks matter; it has a memory, too."""

    hidden = 2
    gates = ("open", "shut")

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.kept, self.seen = (nn.Parameter(torch.ones(4, columns)) for columns in (3, 2, 2))
        self.layer = {"input": "taken", "hidden": "kept", "peephole": "seen"}

    def embed(self, inputs: Tensor) -> Tensor:
        """The sequence itself."""
        return inputs

    start = transition = read = embed


def trial_with(
    module: nn.Module, inputs: Tensor, mask: Mapping[str, Tensor] | None = None, whole: Sequence[str] = ()
) -> Trial:
    """A trial of a recurrent network, with examples, and with masks on some of its weights; none on `whole` ones."""
    prunable = [name for name in module.layer.values() if name not in whole]
    examples = GivenExamples(inputs, torch.zeros(len(inputs), dtype=torch.int64))
    trial = trial_for(model=GivenNetwork(module, prunable), task=examples)
    if mask:
        trial.set_mask({**trial.mask, **mask})
    return trial
