"""A stranger's plugin: a scorer, a method and a task, using nothing but ticketbench's public names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from stranger_statistics import mean_of_squares
from torch import Tensor
from torch.nn import functional

from ticketbench import Method, Scorer, Shapes, Sizes, Split, Task, Train, Trial, generator, hookimpl, option


@dataclass(frozen=True)
class Fisher(Scorer):
    """s = θ² · E[g²], the diagonal Fisher information times the squared weight."""

    name = "fisher"
    summary = "squared weight times the mean squared gradient"
    reference = "Theis et al. 2018 (arXiv 1801.05787)"

    batches: int = option(4, "training batches", at_least=1)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """θ² · mean g²."""
        gradients = [trial.gradient(batch) for batch in trial.batches(self.batches)]
        return {
            name: weight.square() * mean_of_squares(part[name] for part in gradients)
            for name, weight in trial.weights.items()
        }


@dataclass(frozen=True)
class HalfwayPruning(Method):
    """Train half of the schedule densely, prune once by the row's scorer, train the rest."""

    name = "halfway"
    summary = "prune in the middle of training"
    reference = "none"
    ranks_by = "magnitude"

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train, then prune."""
        yield trial.train(until=trial.total_steps // 2)
        trial.prune()


@dataclass(frozen=True)
class Blobs(Task):
    """Gaussian blobs around random centres: class c is N(μ_c, 1) with μ_c ~ N(0, spread²)."""

    name = "blobs"
    summary = "classify points by the blob they came from"
    reference = "none"

    features: int = option(6, "dimensions of a point", at_least=1)
    classes: int = option(3, "how many blobs", at_least=2)
    examples: int = option(120, "training points", at_least=1)
    spread: float = option(2.0, "how far the centres lie apart", at_least=0.0)

    def shapes(self) -> Shapes:
        """A vector in, one logit a class out."""
        return Shapes((self.features,), self.classes)

    def sizes(self) -> Sizes:
        """A quarter more for validation, and for the test."""
        return Sizes(self.examples, self.examples // 4, self.examples // 4)

    def training(self) -> tuple[Split, Split]:
        """Two draws of their own."""
        return self.draw("train", self.examples), self.draw("validation", self.examples // 4)

    def test(self) -> Split:
        """A third."""
        return self.draw("test", self.examples // 4)

    def draw(self, split: str, count: int) -> Split:
        """`count` points of the same blobs."""
        centres = torch.randn(self.classes, self.features, generator=generator("blobs", "centres")) * self.spread
        source = generator("blobs", split)
        targets = torch.randint(0, self.classes, (count,), generator=source)
        return Split(centres[targets] + torch.randn(count, self.features, generator=source), targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Right or wrong."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@hookimpl
def ticketbench_scorers() -> Sequence[Scorer]:
    """One scorer."""
    return [Fisher()]


@hookimpl
def ticketbench_methods() -> Sequence[Method]:
    """One method."""
    return [HalfwayPruning()]


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """One task."""
    return [Blobs()]
