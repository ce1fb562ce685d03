"""What plays the parts of a cell that a check or a test leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ticketbench.plugin.contracts import Initializer, Method, Model, Probe, Scorer, Stages, Task
from ticketbench.suite.recipe import Recipe
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.networks import Tiny

if TYPE_CHECKING:
    from ticketbench import Train, Trial

RECIPE = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-3, batch=16, steps=40, log_every=10)


@dataclass(frozen=True)
class AsBuilt(Initializer):
    """Keeps the initialization that the modules were built with."""

    name = "as built"
    summary = "leaves the module as it is"

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Leave every parameter as its module drew it."""


@dataclass(frozen=True)
class Untrained(Method):
    """Prunes nothing and trains nothing while it draws: the whole network is the ticket."""

    name = "untrained"
    summary = "keeps everything"

    def draw(self, trial: Trial) -> None:
        """End at once, so that the engine trains the whole schedule."""


@dataclass(frozen=True)
class Largest(Scorer):
    """s = |θ|."""

    name = "largest"
    summary = "the absolute value of the weight"

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|θ| of every prunable weight."""
        return {name: weight.abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Halfway(Method):
    """Train a third, prune half of what is left at random, go on, keep a network, prune to the density, start again.

    It does what probes look at: trainings, changes of the mask, reports, networks to compare with.
    """

    name = "halfway there"
    summary = "prunes twice, at random"

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Two prunings, the random numbers of both from one stream."""
        start = trial.snapshot()
        for density in (trial.density**0.5, trial.density):
            yield trial.train(until=trial.total_steps // 3)
            trial.keep(f"before {density:.2f}")
            trial.report()
            source = trial.generator("which")
            trial.prune(
                density, scores={name: torch.rand(part.shape, generator=source) for name, part in trial.mask.items()}
            )
            trial.rewind(start)


@dataclass(frozen=True)
class Parts:
    """The parts of a cell: what is not given is small and does nothing of its own."""

    method: Method = field(default_factory=Untrained)
    scorer: Scorer | None = None
    model: Model = field(default_factory=Tiny)
    task: Task = field(default_factory=Blobs)
    initializer: Initializer = field(default_factory=AsBuilt)
    probes: tuple[Probe, ...] = ()
    recipe: Recipe = RECIPE
    stages: Stages | None = None
    """Where to draw, train and judge; None: all on the task."""
    engine: str = "full"
    """As a cell's setting names it."""

    def where(self) -> Stages:
        """The stages that were given, or those of drawing, training and judging all on the task."""
        return self.stages or Stages(self.task, self.task, {self.task.name: self.task})
