"""A plugin with a text of seven words, each followed by one of two, whose windows come one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, hookimpl

WORDS, WINDOW = 7, 5


@dataclass(frozen=True)
class Walk(Task):
    """Each word is the one before it plus 1 or 3."""

    name = "walk"
    summary = "words in a row"
    reference = "none"
    contiguous = True

    def shapes(self) -> Shapes:
        """A window."""
        return Shapes((WINDOW,), WORDS)

    def sizes(self) -> Sizes:
        """Few."""
        return Sizes(80, 0, 40)

    def training(self) -> tuple[Split, Split]:
        """80 windows."""
        return self.windows(80, 1), Split(torch.empty(0, WINDOW).long(), torch.empty(0, WINDOW).long())

    def test(self) -> Split:
        """40 windows."""
        return self.windows(40, 2)

    def windows(self, count: int, seed: int) -> Split:
        """One long text, cut."""
        steps = np.random.default_rng(seed).choice([1, 3], count * WINDOW + 1)
        words = torch.from_numpy(steps.cumsum() % WORDS)
        return Split(words[:-1].view(count, WINDOW), words[1:].view(count, WINDOW))

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Mean cross-entropy over all positions."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The share of right words, and the mean cross-entropy, of each window."""
        right = (outputs.argmax(dim=1) == targets).float().mean(dim=1)
        return {
            "accuracy": right,
            "cross_entropy": functional.cross_entropy(outputs, targets, reduction="none").mean(1),
        }

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """Perplexity beside."""
        return {**means, "perplexity": math.exp(means["cross_entropy"])}


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """One task."""
    return [Walk()]
