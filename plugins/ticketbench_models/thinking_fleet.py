"""The stacked form of deep thinkers: the iterations by one hand-written pass, what is before and behind by autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from ticketbench import fleet_conv
from ticketbench_models.thinkers import DeepThinker
from ticketbench_models.thinking import Iteration, Pass, think_through


class ThinkingFleet:
    """Many deep thinkers with a batch each, whose blocks are repeated and have no norm.

    The progressive output is the thought after `start` + `steps` iterations of the full pass, so that one pass gives
    both; the gradient of the first goes back to the thought after `start` iterations, and no further.
    """

    def __init__(self, thinker: DeepThinker, weights: Mapping[str, Tensor], problem: Tensor) -> None:
        self.thinker, self.weights = thinker, weights
        self.blocks = [weights[f"blocks.{block}.conv{half}.weight"] for block in (0, 1) for half in (1, 2)]
        self.recall: Tensor | None = None
        self.seen: Tensor | None = None
        if "recall.weight" in weights:
            self.recall, share = weights["recall.weight"].tensor_split([self.blocks[0].shape[2]], dim=2)
            self.seen = fleet_conv(problem, share).movedim(2, -1)
        self.first = fleet_conv(problem, weights["projection.weight"], relu=True).movedim(2, -1)

    def answers(self, points: Sequence[int]) -> Iterator[Tensor]:
        """The answers after each of these iterations, in this order, without gradients.

        Where they ascend, as they usually do, an answer is kept by nobody but who asks for it.
        """
        waiting, found = list(points), dict[int, Tensor]()
        for number, thought in enumerate(islice(self.thoughts(), max(points)), start=1):
            if number in waiting:
                found[number] = self.read(thought)
            while waiting and waiting[0] in found:
                point = waiting.pop(0)
                yield found[point] if point in waiting else found.pop(point)

    @torch.no_grad()
    def thoughts(self) -> Iterator[Tensor]:
        """One thought after another, each of which is overwritten two iterations later."""
        layers = Iteration.of(self.recall, self.blocks, self.thinker.recall_relu, self.first.dtype)
        yield from layers.thoughts(self.first, self.seen)

    def answer(self) -> Tensor:
        """The answer after the iterations of training."""
        (last,) = self.through(Pass(0, self.thinker.iterations))
        return self.read(last)

    def progressive(self, full: bool, start: int, steps: int) -> dict[str, Tensor]:
        """The two answers of a training step."""
        if start + steps > self.thinker.iterations:
            raise ValueError(f"{start} and {steps} iterations are more than the {self.thinker.iterations} of training")
        if not full:
            (early,) = self.through(Pass(start, steps))
            return {"progressive": self.read(early)}
        last, early = self.through(Pass(0, self.thinker.iterations, early=start + steps, cut=start))
        return {"full": self.read(last), "progressive": self.read(early)}

    def through(self, wanted: Pass) -> tuple[Tensor, ...]:
        """The thoughts that a pass ends with; where no gradient will be asked for, nothing else is kept."""
        if torch.is_grad_enabled():
            relu = self.thinker.recall_relu
            return think_through(self.first, self.seen, self.recall, self.blocks, relu, wanted)
        numbers = [wanted.unkept + wanted.kept, *([wanted.unkept + wanted.early] if wanted.early else [])]
        found = {}
        for number, thought in enumerate(islice(self.thoughts(), numbers[0]), start=1):
            if number in numbers:
                found[number] = thought.clone()
        return tuple(found[number] for number in numbers)

    def read(self, thought: Tensor) -> Tensor:
        """The answers that the heads read out of thoughts, (fleet, batch, classes, …)."""
        inner = fleet_conv(thought.movedim(-1, 2), self.weights["head1.weight"], relu=True)
        inner = fleet_conv(inner, self.weights["head2.weight"], relu=True)
        return fleet_conv(inner, self.weights["head3.weight"])


def stacked_thinker(thinker: DeepThinker) -> Callable[..., Any]:
    """The forward of many members; with `at`, an iterator of the answers at these iterations."""

    def alone(weights: dict[str, Tensor], inputs: Tensor, call: dict[str, Any]) -> Any:
        return functional_call(thinker, weights, (inputs,), call)

    def forward(
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        inputs: Tensor,
        at: Sequence[int] = (),
        full: bool = True,
        start: int = 0,
        steps: int = 0,
    ) -> Any:
        if at:
            with torch.no_grad():
                return ThinkingFleet(thinker, parameters, inputs).answers(at)
        if torch.is_grad_enabled() and left_to_vmap(inputs, both=full and steps > 0):
            call = {"full": full, "start": start, "steps": steps}
            return vmap(alone, in_dims=(0, 0, None))(dict(parameters), inputs, call)
        fleet = ThinkingFleet(thinker, parameters, inputs)
        return fleet.progressive(full, start, steps) if steps else fleet.answer()

    return forward


def left_to_vmap(problems: Tensor, *, both: bool) -> bool:
    """Whether autograd through the stacked single form is faster: in two dimensions on a CPU, unless both are wanted.

    There one output took it 0.83 to 0.95 of the time of a pass here, and both 1.00 to 1.14 (four networks of width 16
    on 50 mazes of 11×11 pixels each, one thread of a busy machine).
    """
    return problems.ndim == 5 and problems.device.type == "cpu" and not both
