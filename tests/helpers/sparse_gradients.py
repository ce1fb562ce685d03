"""Gradients by the machine for live weights, and by autograd in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Runner
from ticketbench.sparse.tape import Tape

Weights = dict[str, Tensor]
NEAR = {"twin": 1e-9}
"""How near the machine must be, in units of the largest number of a tensor; 1e-5 in single precision."""


@dataclass
class Found:
    """Answers, the loss and the gradients of live weights."""

    outputs: list[Tensor]
    loss: float
    gradients: Weights

    def bits(self) -> tuple[bytes, ...]:
        """All of it but what has no place to be different."""
        numbers = (*self.outputs, *self.gradients.values())
        return (repr(self.loss).encode(), *(one.numpy().tobytes() for one in numbers))


@dataclass
class Pruned:
    """Weights in double precision, and the masks under which they live."""

    weights: Weights
    masks: Weights

    @classmethod
    def draw(cls, shapes: dict[str, tuple[int, ...]], density: float, seed: int = 3) -> Pruned:
        """At random; every fifth row has nothing and every fifth one weight, where there are so many rows."""
        source = torch.Generator().manual_seed(seed)
        weights, masks = {}, {}
        for name, shape in shapes.items():
            scale = torch.Size(shape[1:]).numel() ** -0.5
            drawn = scale * torch.randn(shape, generator=source, dtype=torch.float64)
            if len(shape) > 1:
                mask = torch.rand(shape, generator=source) < density
                if shape[0] > 2:
                    mask[1::5] = False
                    mask[2::5] = False
                    mask[(slice(2, None, 5), *(-1 for _ in shape[1:]))] = True
                masks[name] = mask
                drawn = drawn * mask
            weights[name] = drawn
        return cls(weights, masks)

    def by_machine(
        self, tape: Tape, inputs: Tensor, targets: Tensor, way: str, shares: Tensor | None = None, tile: int = 16
    ) -> Found:
        """Forward, and a way back."""
        live, trainer = self.live(tape, way), Runner.of(tape, tile, "train", shares is not None, way)
        loss = trainer.gradients(live, inputs, targets, shares)
        gradients = {name: torch.zeros(self.weights[name].shape, dtype=trainer.kind) for name in tape.parameters}
        live.put_gradients(gradients)
        return Found(self.answers(tape, inputs, way, tile), loss, gradients)

    def answers(self, tape: Tape, inputs: Tensor, way: str, tile: int = 16) -> list[Tensor]:
        """Forward alone."""
        return Runner.of(tape, tile, "forward", way=way).outputs(self.live(tape, way), inputs)

    def live(self, tape: Tape, way: str) -> Live:
        """For a way to compute."""
        kind = torch.float64 if way == "twin" else torch.float32
        weights = {name: weight.to(kind) for name, weight in self.weights.items()}
        return Live(tape.parameters, weights, self.masks, double=way == "twin")

    def by_autograd(self, names: Sequence[str], forward: Callable[[Weights], tuple[list[Tensor], Tensor]]) -> Found:
        """Of what gives the answers and the loss."""
        leaves = {name: weight.clone().requires_grad_() for name, weight in self.weights.items()}
        outputs, loss = forward(leaves)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {}
        for name in names:
            found = leaves[name].grad
            gradients[name] = torch.zeros_like(leaves[name]) if found is None else found * self.masks.get(name, 1)
        return Found([output.detach() for output in outputs], loss.item(), gradients)


def assert_near(found: Found, expected: Found, way: str) -> None:
    """Answers, loss and gradients, each in units of the largest number of its tensor."""
    near = NEAR.get(way, 1e-5)
    for one, other in zip(found.outputs, expected.outputs, strict=True):
        difference = (one.double().reshape(other.shape) - other).abs().max().item()
        assert difference <= near * (other.abs().max().item() or 1.0)
    assert abs(found.loss - expected.loss) <= near * max(1.0, abs(expected.loss))
    assert found.gradients.keys() == expected.gradients.keys()
    for name, other in expected.gradients.items():
        difference = (found.gradients[name].double() - other).abs().max().item()
        assert difference <= near * (other.abs().max().item() or 1.0), name
