"""The modules of deep thinking networks: a projection, blocks that are repeated, and a head that reads the thought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 4
"""Groups of the optional norm, which has no parameters of its own."""


class BasicBlock(nn.Module):
    """conv, ReLU, conv, + identity, ReLU; with `norm`, a group norm after each convolution."""

    def __init__(self, dimensions: int, width: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = conv(dimensions, width, width)
        self.conv2 = conv(dimensions, width, width)
        self.norm = norm

    def forward(self, thought: Tensor) -> Tensor:
        """The two convolutions, added to the thought as it was."""
        inner = functional.relu(self.normed(self.conv1(thought)))
        return functional.relu(self.normed(self.conv2(inner)) + thought)

    def normed(self, thought: Tensor) -> Tensor:
        """The group norm, where there is one."""
        return functional.group_norm(thought, GROUPS) if self.norm else thought


class DeepThinker(nn.Module):
    """Two blocks repeated any number of times, or with `untied`, two blocks of its own for every iteration."""

    def __init__(
        self,
        dimensions: int,
        inputs: int,
        outputs: int,
        width: int,
        heads: tuple[int, int],
        *,
        iterations: int,
        recall: bool,
        recall_relu: bool,
        norm: bool = False,
        untied: bool = False,
    ) -> None:
        super().__init__()
        self.iterations = iterations
        self.untied = untied
        self.recall_relu = recall_relu
        self.correlate = functional.conv1d if dimensions == 1 else functional.conv2d
        self.projection = conv(dimensions, inputs, width)
        self.recall = conv(dimensions, width + inputs, width) if recall else None
        pairs = iterations if untied else 1
        self.blocks = nn.ModuleList([BasicBlock(dimensions, width, norm) for _ in range(2 * pairs)])
        self.head1 = conv(dimensions, width, heads[0])
        self.head2 = conv(dimensions, heads[0], heads[1])
        self.head3 = conv(dimensions, heads[1], outputs)

    def forward(
        self, problem: Tensor, at: Sequence[int] = (), full: bool = True, start: int = 0, steps: int = 0
    ) -> Any:
        """Outputs after `iterations`; or stacked at each of `at`; or, with `steps`, for the progressive loss.

        The last returns a dict: "full" after all iterations (if asked for), and "progressive" after `start`
        iterations without gradient and `steps` with. The head runs only where an output is wanted, and the
        first `start` iterations are those of the full pass, detached: the same weights, the same input.
        """
        seen = self.recalled(problem)
        if steps:
            return self.progressive(problem, seen, full, start, steps)
        thought, found = functional.relu(self.projection(problem)), {}
        for number in range(1, max(at, default=self.iterations) + 1):
            thought = self.think(thought, seen, number)
            if number in at:
                found[number] = self.read(thought)
        return torch.stack([found[number] for number in at]) if at else self.read(thought)

    def progressive(
        self, problem: Tensor, seen: Tensor | None, full: bool, start: int, steps: int
    ) -> dict[str, Tensor]:
        """The two outputs of a training step."""
        thought = functional.relu(self.projection(problem))
        early, outputs = thought, {}
        if full:
            for number in range(1, self.iterations + 1):
                thought = self.think(thought, seen, number)
                early = thought.detach() if number == start else early
            outputs["full"] = self.read(thought)
        elif start:
            with torch.no_grad():
                for number in range(1, start + 1):
                    early = self.think(early, seen, number)
        for number in range(start + 1, start + steps + 1):
            early = self.think(early, seen, number)
        outputs["progressive"] = self.read(early)
        return outputs

    def recalled(self, problem: Tensor) -> Tensor | None:
        """What the problem itself adds to the recall convolution, the same at every iteration."""
        if self.recall is None:
            return None
        width = self.recall.weight.shape[0]
        return self.correlate(problem, self.recall.weight[:, width:], padding=1)

    def think(self, thought: Tensor, seen: Tensor | None, number: int) -> Tensor:
        """Iteration `number`, counted from 1."""
        if self.recall is not None and seen is not None:
            width = self.recall.weight.shape[0]
            thought = self.correlate(thought, self.recall.weight[:, :width], padding=1) + seen
            thought = functional.relu(thought) if self.recall_relu else thought
        first = 2 * (number - 1) if self.untied else 0
        following: Tensor = self.blocks[first + 1](self.blocks[first](thought))
        return following

    def read(self, thought: Tensor) -> Tensor:
        """The answer that the head reads out of a thought."""
        answer: Tensor = self.head3(functional.relu(self.head2(functional.relu(self.head1(thought)))))
        return answer


def conv(dimensions: int, inputs: int, outputs: int) -> nn.Conv1d | nn.Conv2d:
    """A convolution of three positions a dimension, without bias."""
    layer = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return layer(inputs, outputs, kernel_size=3, padding=1, bias=False)
