"""Deep thinkers on a tape: their iterations one after the other, for the engine that computes live weights alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ticketbench import Tape, Value
from ticketbench_models.thinkers import DeepThinker


def thinking_tape(thinker: DeepThinker, inputs: Sequence[int], call: Mapping[str, Any], alpha: float) -> Tape:
    """With these keywords of the forward; the progressive answer's share of the loss is `alpha`."""
    writer = Writer(thinker, inputs)
    thoughts = [writer.first]
    if call.get("at"):
        writer.sweep(call["at"])
    elif call.get("steps"):
        if call["full"]:
            thoughts = writer.thoughts(writer.first, 1, thinker.iterations)
            writer.tape.answer(writer.read(thoughts[-1]), share=1 - alpha)
        start, steps = call["start"], call["steps"]
        early = thoughts[start] if call["full"] else writer.thoughts(writer.first, 1, start)[-1]
        early = writer.tape.stopped(early) if start else early
        writer.tape.answer(writer.read(writer.thoughts(early, start + 1, steps)[-1]), share=alpha)
    else:
        writer.tape.answer(writer.read(writer.thoughts(writer.first, 1, thinker.iterations)[-1]))
    return writer.tape


class Writer:
    """Writes the parts of a deep thinker on a tape."""

    def __init__(self, thinker: DeepThinker, inputs: Sequence[int]) -> None:
        self.thinker, self.tape = thinker, Tape.of(thinker)
        self.problem = self.tape.inputs(inputs)
        self.first = self.convolution("projection", self.problem, relu=True)
        """The thought before the first iteration."""

    def convolution(self, name: str, *reads: Value, relu: bool = False, addend: Value | None = None) -> Value:
        """One of the network's, all of which have a padding of 1."""
        return self.tape.convolution(f"{name}.weight", *reads, padding=1, relu=relu, addend=addend)

    def thoughts(self, thought: Value, number: int, iterations: int) -> list[Value]:
        """A thought, and those after it in so many iterations, the first of which has this number."""
        found = [thought]
        for at in range(number, number + iterations):
            found.append(self.think(found[-1], at))
        return found

    def think(self, thought: Value, number: int) -> Value:
        """Iteration `number`, counted from 1."""
        if self.thinker.recall is not None:
            thought = self.convolution("recall", thought, self.problem, relu=self.thinker.recall_relu)
        first = 2 * (number - 1) if self.thinker.untied else 0
        for block in (first, first + 1):
            inner = self.convolution(f"blocks.{block}.conv1", thought, relu=True)
            thought = self.convolution(f"blocks.{block}.conv2", inner, relu=True, addend=thought)
        return thought

    def read(self, thought: Value) -> Value:
        """The answer that the head reads out of a thought."""
        inner = self.convolution("head1", thought, relu=True)
        return self.convolution("head3", self.convolution("head2", inner, relu=True))

    def sweep(self, points: Sequence[int]) -> None:
        """Answers after each of these iterations, in this order."""
        thought, found = self.first, dict[int, Value]()
        for number in range(1, max(points) + 1):
            thought = self.think(thought, number)
            if number in points:
                found[number] = self.read(thought)
        for point in points:
            self.tape.answer(found[point])
