"""A recurrent network that gives every next word of a text a probability."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, OptionError, Shapes, Tape, Value, option, stacked_linear
from ticketbench_models.cells import Cell, GRUCell, LSTMCell, RecurrentLayer
from ticketbench_models.sequence_buffers import Lender
from ticketbench_models.stacked_layer import layer_states

CELLS: Mapping[str, Cell] = {"lstm": LSTMCell(), "gru": GRUCell()}
STATES = ("carried_hidden", "carried_memory")
"""The buffers of what a cell hands from step to step."""

Law = Literal["log-uniform", "uniform"]


class Sampled(NamedTuple):
    """What a loss over a sample of the vocabulary needs, targets excepted."""

    states: Tensor
    """(batch, window, hidden)."""
    words: Tensor
    """The words drawn, (samples,)."""
    scores: Tensor
    """Their corrected scores, (batch, window, samples)."""
    weight: Tensor
    """The read-out's, (vocabulary, hidden)."""
    bias: Tensor


class LanguageNetwork(RecurrentLayer):
    """A frozen embedding, one recurrent layer, and a linear read-out with Xavier's weights and no bias at first."""

    def __init__(self, cell: Cell, words: int, embedding: int, hidden: int, law: Law) -> None:
        super().__init__(cell, embedding, hidden)
        self.law = law
        self.embedding = nn.Embedding(words, embedding)
        self.embedding.weight.requires_grad_(False)
        self.read_out = nn.Linear(hidden, words)
        nn.init.xavier_uniform_(self.read_out.weight)
        nn.init.zeros_(self.read_out.bias)
        self.states = STATES[: cell.carries]
        for name in self.states:
            self.register_buffer(name, torch.zeros(0, hidden))

    def forward(self, inputs: Tensor, uniforms: Tensor | None = None) -> Tensor | Sampled:
        """Scores (batch, vocabulary, window) of windows of words, or those of the words that `uniforms` draw."""
        carried, hidden = self.begin(len(inputs)), []
        for projected in self.project(self.embed(inputs)).unbind(1):
            carried = self.follow(projected, carried)
            hidden.append(carried[0])
        self.leave(carried)
        states = torch.stack(hidden, dim=1)
        return self.read(states).movedim(-1, 1) if uniforms is None else self.sample(states, uniforms)

    def begin(self, examples: int) -> tuple[Tensor, ...]:
        """The state that was carried here, or zeros."""
        kept = [self.get_buffer(name) for name in self.states]
        return tuple(state.clone() for state in kept) if len(kept[0]) else self.start(examples)

    def leave(self, carried: tuple[Tensor, ...]) -> None:
        """Carry the last state on, if state is carried at all."""
        for name, state in zip(self.states, carried, strict=True):
            kept = self.get_buffer(name)
            if len(kept):
                kept.copy_(state.detach())

    def embed(self, inputs: Tensor) -> Tensor:
        """The vectors of the words, which the recurrent layer reads."""
        vectors: Tensor = self.embedding(inputs.long())
        return vectors

    def read(self, hidden: Tensor) -> Tensor:
        """A score for every word of the vocabulary, from hidden states."""
        scores: Tensor = self.read_out(hidden)
        return scores

    def sample(self, states: Tensor, uniforms: Tensor) -> Sampled:
        """The read-out of some words, each score less the logarithm of how often its word is expected."""
        weight, bias = self.read_out.weight, self.read_out.bias
        words, expected = drawn(uniforms.to(weight.device), len(weight), self.law)
        scores = functional.linear(states, functional.embedding(words, weight), bias[words])
        return Sampled(states, words, scores - expected.log().to(scores.dtype), weight, bias)


@dataclass(frozen=True)
class LanguageModel(Model):
    """p(w_{t+1} | w_1 … w_t) = softmax(V h_t + c), where h_t is the state of a layer that reads E w_1 … E w_t.

    The embedding E is N(0, 1) as drawn and never trained; only the layer's weights are prunable: 19,200,000 for an LSTM
    of 2,000 units on an embedding of 400, 2,880,000 for a GRU of 800. Over a contiguous task the state goes on from
    window to window, and gradients stop between them; everywhere else a window is read from zero.

    "sampled" trains on a softmax over the target and S words k_j, drawn with replacement at each step by the law p, the
    same for all positions and all cells: −s_t + log Ẑ with Ẑ = e^{s_t} + Σ_{k_j ≠ t} e^{s_{k_j}} / (S p(k_j)). E Ẑ is
    the full sum Σ_k e^{s_k}, and E ∂Ẑ its gradient, for every S. The loss is not unbiased: its mean lies below the full
    one, as log is concave, and its gradient has a ratio of two unbiased estimates; both tend to the full ones with S.
    The laws: "log-uniform" p(k) = log((k+2)/(k+1)) / log(vocabulary + 1), which takes words to be ordered by falling
    frequency, and "uniform". The target is certain, so that its score is not corrected; draws that hit it are left out.
    Judging and scoring take the full softmax, and FLOPs are counted with it. With 33,278 words a window of 35 has
    scores of 4.7 MB: judging holds twice that for each window of a batch, training on the full softmax three times.

    Deviations: Zhang and Stadie name neither the law, nor the correction, nor whether state is carried; the embedding's
    spread is torch's.
    """

    name = "language_model"
    summary = "an LSTM or a GRU that gives every next word of a text a probability"
    reference = (
        "sizes of Zhang and Stadie 2020, One-shot pruning of RNNs; "
        "Jean et al. 2015 (arXiv 1412.2007) and Bengio and Senécal 2003 for the sample"
    )

    cell: Literal["lstm", "gru"] = option("lstm", "the recurrent layer")
    hidden: int = option(2000, "units of the layer", at_least=1)
    embedding: int = option(400, "numbers a word", at_least=1)
    softmax: Literal["full", "sampled"] = option("full", "what training normalizes over: the vocabulary, or a sample")
    samples: int = option(1000, "words that a sample has beside the target", at_least=1)
    law: Literal["log-uniform", "uniform"] = option("log-uniform", "how a sample is drawn: by rank, or all words alike")

    def build(self, shapes: Shapes) -> nn.Module:
        """The embedding, the recurrent layer and the read-out over the task's vocabulary."""
        if len(shapes.inputs) != 1 or shapes.inputs[0] < 1:
            raise OptionError(f"'{self.name}' takes windows of words (window,), not inputs of shape {shapes.inputs}")
        return LanguageNetwork(CELLS[self.cell], shapes.outputs, self.embedding, self.hidden, self.law)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The weights of the layer, and not the read-out."""
        return [name for name in super().prunable(module) if not name.startswith("read_out.")]

    def carried(self, module: nn.Module) -> Sequence[str]:
        """The hidden state, and the memory of an LSTM."""
        return STATES[: CELLS[self.cell].carries]

    def stacked(self, module: nn.Module) -> Callable[..., Any]:
        """The layer of all members over all steps of a window, then the read-outs of all its positions."""
        lender, cell, names = Lender(), CELLS[self.cell], self.carried(module)

        def forward(
            parameters: Mapping[str, Tensor],
            buffers: Mapping[str, Tensor],
            inputs: Tensor,
            uniforms: Tensor | None = None,
        ) -> Tensor | Sampled:
            own = {**buffers, **parameters}
            kept = [own[name] for name in names]
            initial = [state.clone() for state in kept] if kept[0].shape[1] else []
            vectors_fsbe = stacked_embedding(inputs.transpose(1, 2).long(), own["embedding.weight"])
            *last, hidden_fsbh = layer_states(cell, own, vectors_fsbe, lender, initial, every=True)
            if initial:
                for state, end in zip(kept, last, strict=True):
                    state.copy_(end.detach())
            weight, bias = own["read_out.weight"], own["read_out.bias"]
            if uniforms is None:
                return read_outs(hidden_fsbh, weight, bias).permute(0, 2, 3, 1)
            words, expected = drawn(uniforms.to(weight.device), weight.shape[1], self.law)
            scores = read_outs(hidden_fsbh, weight[:, words], bias[:, words]).transpose(1, 2)
            scores = scores - expected.log().to(scores.dtype)
            return Sampled(hidden_fsbh.transpose(1, 2), words.expand(len(weight), -1), scores, weight, bias)

        return forward

    def tape(self, module: nn.Module, inputs: Sequence[int], call: Mapping[str, Any]) -> Tape | None:
        """The full softmax over the words of a window of two at least; none of a sample."""
        if call or inputs[0] < 2:
            return None
        tape, cell, names, scores = Tape.of(module), CELLS[self.cell], self.carried(module), []
        states: tuple[Value, ...] = tuple(tape.take_up(name, self.hidden) for name in names)
        for place in range(inputs[0]):
            states = cell.taped.write(tape, tape.look_up("embedding.weight", place), states)
            scores.append(tape.linear("read_out.weight", states[0], bias="read_out.bias"))
        for name, state in zip(names, states, strict=True):
            tape.leave(name, state)
        tape.answer(*scores)
        return tape

    def training_call(self, draws: random.Random) -> Mapping[str, Any]:
        """Uniform numbers, one a word to draw."""
        if self.softmax == "full":
            return {}
        return {"uniforms": torch.tensor([draws.random() for _ in range(self.samples)], dtype=torch.float64)}

    def loss(self, outputs: Any, targets: Tensor, inputs: Tensor, criterion: Callable[..., Tensor]) -> Tensor:
        """The criterion; of a sample with the target's score in front of the others."""
        if not isinstance(outputs, Sampled):
            return criterion(outputs, targets, inputs)
        targets = targets.long()
        own = (outputs.states * functional.embedding(targets, outputs.weight)).sum(dim=-1) + outputs.bias[targets]
        hits = targets.unsqueeze(-1) == outputs.words
        candidates = torch.cat([own.unsqueeze(-1), outputs.scores.masked_fill(hits, -math.inf)], dim=-1)
        return criterion(candidates.movedim(-1, 1), torch.zeros_like(targets), inputs)


def read_outs(hidden_fsbh: Tensor, weight_fwh: Tensor, bias_fw: Tensor) -> Tensor:
    """A score for each word, (fleet, steps, batch, words), by each member's own read-out."""
    return torch.unflatten(stacked_linear(hidden_fsbh.flatten(1, 2), weight_fwh, bias_fw), 1, hidden_fsbh.shape[1:3])


def stacked_embedding(words: Tensor, vectors_fwe: Tensor) -> Tensor:
    """The vectors of words (fleet, …), each member's from its own table."""
    members, count, _ = vectors_fwe.shape
    first = torch.arange(members, device=words.device).mul(count).view(-1, *[1] * (words.ndim - 1))
    return functional.embedding(words + first, vectors_fwe.flatten(0, 1))


def drawn(uniforms: Tensor, words: int, law: Law) -> tuple[Tensor, Tensor]:
    """The words that uniform numbers draw, and how often each is expected among as many draws."""
    if law == "uniform":
        return (uniforms * words).long(), torch.full_like(uniforms, len(uniforms) / words)
    whole = math.log(words + 1)
    places = ((uniforms * whole).exp() - 1).long().clamp(max=words - 1)  # exp differs by device
    return places, len(uniforms) * torch.log1p(1 / (places + 1).to(uniforms.dtype)) / whole
