"""A plugin with one of the hardest users of the contract: a peephole LSTM cell, its weights shared over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ticketbench import Model, Shapes, hookimpl, option


class PeepholeCell(nn.Module):
    """An LSTM whose gates also see the cell state, through full matrices."""

    def __init__(self, inputs: int, units: int, outputs: int) -> None:
        super().__init__()
        self.units = units
        self.from_input = nn.Parameter(torch.randn(4 * units, inputs) * 0.3)
        self.from_hidden = nn.Parameter(torch.randn(4 * units, units) * 0.3)
        self.peephole = nn.Parameter(torch.randn(4 * units, units) * 0.3)
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.read = nn.Linear(units, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """The read-out of the last state of (batch, time) numbers."""
        hidden = cell = sequence.new_zeros(len(sequence), self.units)
        for at in range(sequence.shape[1]):
            drive = sequence[:, at : at + 1] @ self.from_input.T + hidden @ self.from_hidden.T + self.bias
            i, f, g, o = (drive + cell @ self.peephole.T).chunk(4, dim=1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
        answer: Tensor = self.read(hidden)
        return answer


@dataclass(frozen=True)
class Peephole(Model):
    """Only the recurrent layer is prunable."""

    name = "own_peephole"
    summary = "a peephole LSTM over the numbers of an input"
    reference = "Gers and Schmidhuber 2000"

    units: int = option(5, "hidden units", at_least=1)

    def build(self, shapes: Shapes) -> nn.Module:
        """One number a time step."""
        return PeepholeCell(1, self.units, shapes.outputs)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """Not the read-out."""
        return ["from_input", "from_hidden", "peephole"]


@hookimpl
def ticketbench_models() -> Sequence[Model]:
    """One model."""
    return [Peephole()]
