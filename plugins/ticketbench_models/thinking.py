"""The iterations of many deep thinkers at once, with a backward pass written by hand.

With recall, an iteration takes a thought x to d, all of them with channels last:

    r = conv(x, W₀) + s, with a ReLU in one dimension;   a = relu(conv(r, W₁));   b = relu(conv(a, W₂) + r);
    c = relu(conv(b, W₃));   d = relu(conv(c, W₄) + b)

where s is the problem's share of the recall convolution; without recall r is x. Each line is one call. On the way back,
with g = ∂L/∂d · [d > 0] and convᵀ the convolution turned round:

    g_c = convᵀ(g, W₄) · [c > 0];   g_b = (convᵀ(g_c, W₃) + g) · [b > 0];   g_a = convᵀ(g_b, W₂) · [a > 0];
    g_r = (convᵀ(g_a, W₁) + g_b) · [r > 0], in two dimensions without that factor;   g_x = convᵀ(g_r, W₀) · [x > 0]

so that each is one call, too, and g_x is the g of the iteration before. The gradient of a weight is one product of what
its convolution read and of what came back to it, over many iterations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ticketbench import FleetConv

TOGETHER = 16
"""Iterations whose weight gradients are one product on a GPU. On a CPU each is added by itself, out of the caches."""


@dataclass(frozen=True)
class Iteration:
    """The convolutions of one iteration, arranged for many."""

    recall: FleetConv | None
    blocks: tuple[FleetConv, ...]
    """The four convolutions of the two blocks."""
    recall_relu: bool

    @staticmethod
    def of(recall: Tensor | None, blocks: Sequence[Tensor], recall_relu: bool, dtype: torch.dtype) -> Iteration:
        """From stacked weights (fleet, out, in, 3[, 3]); of the recall those alone that read the thought."""
        own = None if recall is None else FleetConv(recall, dtype)
        return Iteration(own, tuple(FleetConv(weight, dtype) for weight in blocks), recall_relu)

    def think(self, thought: Tensor, seen: Tensor | None, places: Sequence[Tensor]) -> Tensor:
        """The next thought, in the last of five places; the others hold r, a, b and c. Without recall r has none.

        A place may be used again for what comes two lines later, and b may be written over r.
        """
        first, second, third, fourth = self.blocks
        if self.recall is not None:
            thought = self.recall(thought, seen, relu=self.recall_relu, out=places[0])
        inner = first(thought, relu=True, out=places[1])
        middle = second(inner, thought, relu=True, out=places[2])
        inner = third(middle, relu=True, out=places[3])
        return fourth(inner, middle, relu=True, out=places[4])

    def thoughts(self, thought: Tensor, seen: Tensor | None) -> Iterator[Tensor]:
        """One thought after another in two buffers, without end and without gradients; each is overwritten later on."""
        seen = None if seen is None else FleetConv.moved_in(seen)
        here, there = FleetConv.moved_in(thought), FleetConv.room(thought, thought.shape[1])
        while True:
            if self.recall is not None:
                self.think(here, seen, (there, here, there, here, there))
                here, there = there, here
            else:
                self.think(here, seen, (here, there, here, there, here))
            yield here

    def after(self, thought: Tensor, seen: Tensor | None, iterations: int) -> Tensor:
        """The thought after some iterations."""
        for following in islice(self.thoughts(thought, seen), iterations):
            thought = following
        return thought


@dataclass(frozen=True)
class Pass:
    """What a pass computes and how far gradients go back, in iterations."""

    unkept: int
    """Those at the start, which no gradient goes back through."""
    kept: int
    """Those after them."""
    early: int = 0
    """After how many of those that are kept another thought is wanted beside the last; 0 for none."""
    cut: int = 0
    """After how many of them the gradient of that thought stops; 0 if it goes back to the first thought."""


@dataclass(frozen=True)
class Tape:
    """Tensors of several iterations by name, one iteration's batch behind the other's: (fleet, iterations·batch, …)."""

    batch: int
    parts: Mapping[str, Tensor]

    @staticmethod
    def like(example: Tensor, lengths: Mapping[str, int]) -> Tape:
        """Room for so many iterations of each name, of tensors like the example."""
        batch = example.shape[1]
        return Tape(batch, {name: FleetConv.room(example, n * batch) for name, n in lengths.items()})

    def at(self, name: str, number: int) -> Tensor:
        """One iteration's."""
        return self.span(name, number, number + 1)

    def span(self, name: str, start: int, stop: int) -> Tensor:
        """Those of the iterations from `start` to before `stop`, as one batch."""
        return self.parts[name][:, start * self.batch : stop * self.batch]


class Thinking(torch.autograd.Function):
    """The last thought of a pass, and the early one if there is any, from the first thought and the problem's share.

    Gradients of both go back as one flow, their sum, as everything on the way is linear in them. Down to where that of
    the early one is cut, that of the last goes back beside the sum, to go on alone from there.
    """

    @staticmethod
    def forward(
        ctx: Any, thought: Tensor, seen: Tensor | None, wanted: Pass, relu: bool, recall: Tensor | None, *blocks: Tensor
    ) -> tuple[Tensor, ...]:
        """Iterations without gradient in two buffers, then the others, of which everything is kept."""
        layers = Iteration.of(recall, blocks, relu, thought.dtype)
        seen = None if seen is None else FleetConv.moved_in(seen)
        lengths = {"thought": wanted.kept + 1, **dict.fromkeys(("a", "b", "c"), wanted.kept)}
        tape = Tape.like(thought, lengths if recall is None else {**lengths, "r": wanted.kept})
        tape.at("thought", 0).copy_(layers.after(thought, seen, wanted.unkept))
        for number in range(wanted.kept):
            now, following = tape.at("thought", number), tape.at("thought", number + 1)
            recalled = now if recall is None else tape.at("r", number)
            layers.think(now, seen, (recalled, *(tape.at(name, number) for name in "abc"), following))
        ctx.layers, ctx.tape, ctx.wanted = layers, tape, wanted
        outputs = (wanted.kept, wanted.early) if wanted.early else (wanted.kept,)
        return tuple(tape.at("thought", number).clone() for number in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """From the last kept iteration to the first."""
        wanted: Pass = ctx.wanted
        back = WayBack(ctx.layers, ctx.tape, to_first=ctx.needs_input_grad[0] and not wanted.unkept)
        flow, beside = back.entering(gradients[0], wanted.kept), None
        for number in reversed(range(wanted.kept)):
            if number + 1 == wanted.early:
                beside = flow if wanted.cut else None
                flow = FleetConv.moved_in(flow).add_(back.entering(gradients[1], wanted.early))
            flow = back.through(number, flow)
            if beside is not None:
                beside = back.alone(number, beside)
                flow, beside = (beside, None) if number == wanted.cut else (flow, beside)
        recall, blocks = back.layers.recall, back.layers.blocks
        weights = [layer.to_weight(total) for layer, total in zip(back.convolutions, back.totals, strict=True)]
        to_thought = flow if back.to_first else None
        to_seen = None if recall is None else back.shared.to(flow.dtype)
        return to_thought, to_seen, None, None, *([None] * (len(blocks) + 1 - len(weights))), *weights


class WayBack:
    """Gradients on their way back through the iterations of a tape, and the sums of what they leave at the weights."""

    def __init__(self, layers: Iteration, tape: Tape, *, to_first: bool) -> None:
        self.layers, self.tape, self.to_first = layers, tape, to_first
        example = tape.at("thought", 0)
        self.kept = tape.parts["a"].shape[1] // tape.batch
        self.together = together_on(example.device, self.kept)
        self.left = Tape.like(example, dict.fromkeys("rabcd", self.together))
        """Gradients of what the convolutions gave, of so many iterations; "d" is the following thought."""
        self.scratch = Tape.like(example, dict.fromkeys("rabc", 1))
        self.convolutions = [*([] if layers.recall is None else [layers.recall]), *layers.blocks]
        self.totals = [layer.new_total() for layer in self.convolutions]
        self.shared = torch.zeros_like(example, dtype=self.totals[0].dtype, memory_format=torch.contiguous_format)
        """The gradient of the problem's share."""

    def entering(self, gradient: Tensor, number: int) -> Tensor:
        """A gradient of thought `number`, as one before its ReLU."""
        return FleetConv.moved_in(gradient).masked_fill_(self.tape.at("thought", number) <= 0, 0)

    def through(self, number: int, gradient: Tensor) -> Tensor:
        """Back through an iteration, leaving its share at the weights."""
        slot = number % self.together
        places = {name: self.left.at(name, slot) for name in "rabcd"}
        places["d"].copy_(gradient)
        before = self.step(number, places["d"], places)
        if slot == 0:
            self.add(number, min(number + self.together, self.kept))
        return before

    def alone(self, number: int, gradient: Tensor) -> Tensor:
        """Back through an iteration, leaving nothing."""
        return self.step(number, gradient, {name: self.scratch.at(name, 0) for name in "rabc"})

    def step(self, number: int, gradient: Tensor, places: Mapping[str, Tensor]) -> Tensor:
        """The gradients within an iteration, into their places, and that of the thought before it."""
        first, second, third, fourth = self.layers.blocks
        thought, recall = self.tape.at("thought", number), self.layers.recall
        was_relu = thought if number else None  # the first thought may be anything
        gate = was_relu if recall is None else self.tape.at("r", number) if self.layers.recall_relu else None
        a, b, c = (self.tape.at(name, number) for name in "abc")
        to_c = fourth.to_inputs(gradient, gate=c, out=places["c"])
        to_b = third.to_inputs(to_c, gradient, gate=b, out=places["b"])
        to_a = second.to_inputs(to_b, gate=a, out=places["a"])
        to_r = first.to_inputs(to_a, to_b, gate=gate, out=None if recall is None else places["r"])
        if recall is None or not (number or self.to_first):
            return to_r
        return recall.to_inputs(to_r, gate=was_relu)

    def add(self, start: int, stop: int) -> None:
        """What the iterations from `start` to before `stop` leave at the weights, each weight's in one product."""
        reads = ("thought", "r", "a", "b", "c") if self.layers.recall is not None else ("thought", "a", "b", "c")
        gives = ("r", "a", "b", "c", "d") if self.layers.recall is not None else ("a", "b", "c", "d")
        for layer, read, given, total in zip(self.convolutions, reads, gives, self.totals, strict=True):
            layer.add_to_weight(self.tape.span(read, start, stop), self.left.span(given, 0, stop - start), total)
        if self.layers.recall is not None:
            each = torch.unflatten(self.left.span("r", 0, stop - start), 1, (stop - start, -1))
            self.shared += each.sum(1, dtype=self.shared.dtype)


def together_on(device: torch.device, kept: int) -> int:
    """How many of the kept iterations have their weight gradients in one product."""
    return 1 if device.type == "cpu" else min(TOGETHER, kept)


def think_through(
    thought: Tensor, seen: Tensor | None, recall: Tensor | None, blocks: Sequence[Tensor], relu: bool, wanted: Pass
) -> tuple[Tensor, ...]:
    """The thoughts that a pass ends with, (fleet, batch, …, channels); differentiable once."""
    found: tuple[Tensor, ...] = Thinking.apply(thought, seen, wanted, relu, recall, *blocks)  # type: ignore[no-untyped-call]
    return found
