"""Recurrent networks that read a sequence and name its class after the last step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from ticketbench import Model, OptionError, Shapes, Tape, Value, option, stacked_linear
from ticketbench_models.cells import Cell, GRUCell, LSTMCell, PeepholeCell, RecurrentLayer, RNNCell
from ticketbench_models.sequence_buffers import Lender
from ticketbench_models.stacked_layer import layer_states


class SequenceClassifier(RecurrentLayer):
    """One recurrent layer, and a linear read-out with Xavier's weights and no bias at first."""

    def __init__(self, cell: Cell, features: int, hidden: int, classes: int) -> None:
        super().__init__(cell, features, hidden)
        self.read_out = nn.Linear(hidden, classes)
        nn.init.xavier_uniform_(self.read_out.weight)
        nn.init.zeros_(self.read_out.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs of sequences (batch, steps, features)."""
        carried = self.start(len(inputs))
        for projected in self.project(self.embed(inputs)).unbind(1):
            carried = self.follow(projected, carried)
        return self.read(carried[0])

    def embed(self, inputs: Tensor) -> Tensor:
        """What the layer reads: the sequence itself, (batch, steps, features)."""
        return inputs

    def read(self, hidden: Tensor) -> Tensor:
        """A score for each class, from hidden states."""
        outputs: Tensor = self.read_out(hidden)
        return outputs


@dataclass(frozen=True)
class SequenceModel(Model):
    """What the four share: a layer that starts from zero, a linear read-out of its last hidden state.

    Only the layer's weights are prunable. Each gate has one bias. As built, the layer is drawn from U(±1/√hidden),
    and the read-out is Xavier's with a bias of zero.
    """

    cell: ClassVar[Cell]

    hidden: int = option(100, "units of the layer", at_least=1)

    def build(self, shapes: Shapes) -> nn.Module:
        """The recurrent layer and its read-out, for sequences (steps, features)."""
        if len(shapes.inputs) != 2:
            raise OptionError(f"'{self.name}' takes sequences (steps, features), not inputs of shape {shapes.inputs}")
        steps, features = shapes.inputs
        if min(steps, features) < 1:
            raise OptionError(f"'{self.name}' cannot read {steps} steps of {features} features: it takes 1 at least")
        return SequenceClassifier(self.cell, features, self.hidden, shapes.outputs)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The weights of the layer, and not the read-out."""
        return [name for name in super().prunable(module) if not name.startswith("read_out.")]

    def stacked(self, module: nn.Module) -> Callable[..., Tensor]:
        """The layer of all members over all steps, then their read-outs."""
        lender = Lender()

        def forward(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
            hidden, *_ = layer_states(self.cell, parameters, inputs.transpose(1, 2), lender)
            return stacked_linear(hidden, parameters["read_out.weight"], parameters["read_out.bias"])

        return forward

    def tape(self, module: nn.Module, inputs: Sequence[int], call: Mapping[str, Any]) -> Tape | None:
        """Step by step, from zeros. None for a single step, which reads no state."""
        steps, features = inputs
        if steps < 2:
            return None
        tape = Tape.of(module)
        sequence = tape.inputs((steps * features,))
        states: tuple[Value | None, ...] = (None,) * self.cell.carries
        for at in range(steps):
            states = self.cell.taped.write(tape, tape.part(sequence, at * features, (at + 1) * features), states)
        last = states[0]
        assert last is not None
        tape.answer(tape.linear("read_out.weight", last, bias="read_out.bias"))
        return tape


@dataclass(frozen=True)
class RNN(SequenceModel):
    """h_t = tanh(W x_t + b + U h_{t−1}): with 400 units on 28 features 171,200 prunable weights."""

    name = "rnn"
    summary = "a plain recurrent network with tanh"
    reference = "Elman 1990, Finding structure in time"
    cell = RNNCell()


@dataclass(frozen=True)
class LSTM(SequenceModel):
    """i, f, o = σ(W x_t + b + U h_{t−1}) and g = tanh(…) likewise; c_t = f c_{t−1} + i g; h_t = o tanh(c_t).

    With 400 units on 28 features 684,800 prunable weights.
    """

    name = "lstm"
    summary = "a network with long short-term memory"
    reference = "Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 for the forget gate"
    cell = LSTMCell()


@dataclass(frozen=True)
class Peephole(SequenceModel):
    """An LSTM whose gates see the memory through a full matrix V each.

    i, f = σ(W x_t + b + U h_{t−1} + V c_{t−1}) and g = tanh(…) likewise; c_t = f c_{t−1} + i g;
    o = σ(W x_t + b + U h_{t−1} + V c_t); h_t = o tanh(c_t). With 400 units on 28 features 1,324,800 prunable weights.

    Deviations: Gers et al. connect each unit with its own memory only (a diagonal V), and not with its candidate.
    Full matrices for all four gates are what gives the 1.32 million weights of Zhang and Stadie 2020, who print no
    equations; that the output gate sees the new memory, and the others the old one, is as in Gers et al.
    """

    name = "peephole"
    summary = "an LSTM whose four gates see the memory"
    reference = "Gers, Schraudolph and Schmidhuber 2002; sizes of Zhang and Stadie 2020, One-shot pruning of RNNs"
    cell = PeepholeCell()


@dataclass(frozen=True)
class GRU(SequenceModel):
    """r, z = σ(W x_t + b + U h_{t−1}); n = tanh(W x_t + b + r · (U h_{t−1})); h_t = (1 − z) n + z h_{t−1}.

    With 400 units on 28 features 513,600 prunable weights.

    Deviation: as in torch, the reset gate acts on the product U h, where Cho et al. reset h before it. Other than in
    torch, that product has no bias of its own.
    """

    name = "gru"
    summary = "a network of gated recurrent units"
    reference = "Cho et al. 2014 (arXiv 1406.1078)"
    cell = GRUCell()
