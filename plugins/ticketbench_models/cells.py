"""The equations of recurrent cells, each for a single network and for many at once.

A weight holds a block of `hidden` rows for each gate, in the order of `gates`; a bias likewise. With a leading fleet
axis on weights, features and states a step computes every member.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench_models.taped_steps import TapedGated, TapedMemory, TapedPeephole, TapedState, TapedStep
from ticketbench_models.written_steps import GatedStep, MemoryStep, PeepholeStep, StateStep, WrittenStep


class Cell(ABC):
    """One step of a recurrent layer, given what its features add to each gate."""

    gates: ClassVar[tuple[str, ...]]
    """The row blocks of every weight, in order."""
    carries: ClassVar[int] = 1
    """How many tensors are handed from step to step; the hidden state comes first."""
    roles: ClassVar[tuple[str, ...]] = ("input", "hidden")
    """What the layer has weights for."""
    written: ClassVar[WrittenStep]
    """The same step with its derivative, as passes over whole sequences take it."""
    taped: ClassVar[TapedStep]
    """The same step as the sparse engine computes it."""

    @abstractmethod
    def step(self, projected: Tensor, weights: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The states after a step: `projected` is W·x + b of all gates, `weights` has the other roles' weights."""


class RNNCell(Cell):
    """h_t = tanh(W x_t + b + U h_{t−1})."""

    gates = ("state",)
    written = StateStep()
    taped = TapedState()

    def step(self, projected: Tensor, weights: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """h_t from h_{t−1}."""
        (hidden,) = carried
        return (torch.tanh(projected + product(hidden, weights["hidden"])),)


class LSTMCell(Cell):
    """i, f, o = σ(W x_t + b + U h_{t−1}) and g = tanh(…) likewise; c_t = f c_{t−1} + i g; h_t = o tanh(c_t)."""

    gates = ("input", "forget", "candidate", "output")
    carries = 2
    written = MemoryStep()
    taped = TapedMemory()

    def step(self, projected: Tensor, weights: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The hidden state h_t and the memory c_t from those of the step before."""
        hidden, memory = carried
        enter, forget, candidate, leave = (projected + product(hidden, weights["hidden"])).chunk(4, dim=-1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(memory), memory


class PeepholeCell(Cell):
    """An LSTM whose gates see the memory c, too: i, f and g see V c_{t−1}, and o sees V c_t."""

    gates = LSTMCell.gates
    carries = 2
    roles = ("input", "hidden", "peephole")
    written = PeepholeStep()
    taped = TapedPeephole()

    def step(self, projected: Tensor, weights: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: the output gate comes last, as it needs the new memory."""
        hidden, memory = carried
        early = 3 * hidden.shape[-1]
        seen, peephole = projected + product(hidden, weights["hidden"]), weights["peephole"]
        first = seen[..., :early] + product(memory, peephole[..., :early, :])
        enter, forget, candidate = first.chunk(3, dim=-1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
        leave = seen[..., early:] + product(memory, peephole[..., early:, :])
        return torch.sigmoid(leave) * torch.tanh(memory), memory


class GRUCell(Cell):
    """r, z = σ(W x_t + b + U h_{t−1}); n = tanh(W x_t + b + r · (U h_{t−1})); h_t = (1 − z) n + z h_{t−1}."""

    gates = ("reset", "update", "candidate")
    written = GatedStep()
    taped = TapedGated()

    def step(self, projected: Tensor, weights: Mapping[str, Tensor], carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The hidden state h_t from that of the step before."""
        (hidden,) = carried
        two = 2 * hidden.shape[-1]
        from_hidden = product(hidden, weights["hidden"])
        reset, update = torch.sigmoid(projected[..., :two] + from_hidden[..., :two]).chunk(2, dim=-1)
        candidate = torch.tanh(projected[..., two:] + reset * from_hidden[..., two:])
        return (candidate + update * (hidden - candidate),)


class RecurrentLayer(nn.Module):
    """A cell with its weights, drawn from U(±1/√hidden) as torch's recurrent layers draw theirs."""

    def __init__(self, cell: Cell, features: int, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.hidden = hidden
        self.gates = cell.gates
        self.layer = {role: f"from_{role}" for role in cell.roles}
        rows, bound = len(cell.gates) * hidden, hidden**-0.5
        for role, name in self.layer.items():
            weight = torch.empty(rows, features if role == "input" else hidden)
            self.register_parameter(name, nn.Parameter(nn.init.uniform_(weight, -bound, bound)))
        self.bias = nn.Parameter(nn.init.uniform_(torch.empty(rows), -bound, bound))

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """The states before the first step: zeros, (examples, hidden) each."""
        return tuple(self.bias.new_zeros(examples, self.hidden) for _ in range(self.cell.carries))

    def project(self, features: Tensor) -> Tensor:
        """W·x + b of features (…, features)."""
        return functional.linear(features, getattr(self, self.layer["input"]), self.bias)

    def follow(self, projected: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step, given W·x + b."""
        weights = {role: getattr(self, name) for role, name in self.layer.items()}
        return self.cell.step(projected, weights, carried)

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The states after a step that reads these features."""
        return self.follow(self.project(features), carried)


def product(states: Tensor, weight: Tensor) -> Tensor:
    """W·s of every row of states, and of every member where there is a fleet axis."""
    return states @ weight.mT
