"""What plugins hand over: small frozen classes with a name, a summary, a reference and typed options.

A plugin author subclasses one of these as a frozen dataclass and writes its one method. The fields are its
options; the docstring carries the formula, the citation and every deviation. Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import random

    import torch
    from torch import Tensor, nn

    from ticketbench.trial import Trial

    StackedForward = Callable[..., Any]


class Contract(ABC):
    """What every pluggable thing has in common."""

    name: ClassVar[str]
    """How suites and the command line call it."""
    summary: ClassVar[str]
    """One line: what it does."""
    reference: ClassVar[str] = ""
    """Where it comes from: paper and equation."""


class Scorer(Contract):
    """Ranks weights at the moment it is asked; higher = keep."""

    @abstractmethod
    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """A finite score for every prunable weight, in tensors of the weights' shapes."""


@dataclass(frozen=True)
class Train:
    """A method's request to the engine: train my network until this step (None: to the end)."""

    until: int | None = None


class Method(Contract):
    """How a ticket is drawn, from start to end, written for one network.

    `draw` may be a plain function (one-shot) or a generator that yields `trial.train(...)` wherever training
    is part of drawing. When it ends, the engine trains what is left of the schedule and judges the result.
    """

    fixed_density: ClassVar[float | None] = None
    """The only density the method makes sense at (1 for no pruning), or None for any."""
    ranks_by: ClassVar[str | None] = None
    """The scorer it ranks by (`trial.scorer`) where a row names none; "" if every row must name one; None if
    it takes none. The scorer is part of the cell, so that its source is part of the key."""
    removes_units: ClassVar[bool] = False
    """True for a method that drops whole units: as it cannot hit every count, it keeps at most as many weights
    as the density says, and after drawing the engine takes the dropped units out, so that the network is smaller."""

    @abstractmethod
    def draw(self, trial: Trial) -> Iterator[Train] | None:
        """Draw the ticket of this trial at `trial.density`."""

    def trainings(self, density: float) -> float:
        """How many full trainings a cell takes, drawing included, for the plan's estimate."""
        return 1.0


@dataclass(frozen=True)
class Shapes:
    """What a model needs to know of a task: the shape of one input, and how many outputs a position has."""

    inputs: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Sizes:
    """How many examples a task's splits hold, known without loading them."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Split:
    """Examples as tensors that stay on the device."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Split:
        """The same examples on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Remote:
    """A file of a public data set: where it comes from, and how to know it is the right one."""

    name: str
    """Its name in the data folder."""
    url: str
    sha256: str
    size: int
    """Bytes."""
    unpacked_sha256: str = ""
    """Of a .gz file, optionally: the checksum of its content, by which the same content compressed otherwise, as
    mirrors and the user's own copies have it, is the right file too."""
    unpacked_size: int = 0
    """Bytes of that content; no more is ever unpacked to look."""


class Task(Contract):
    """Data, criterion and metrics. Deterministic from its options; it never looks at a cell's seed."""

    augment_draws: ClassVar[int] = 0
    """How many uniform numbers the augmentation of one example consumes; 0 for none."""

    @abstractmethod
    def shapes(self) -> Shapes:
        """The shapes a model is built for."""

    @abstractmethod
    def sizes(self) -> Sizes:
        """How many examples there are, for the plan."""

    @abstractmethod
    def training(self) -> tuple[Split, Split]:
        """The training and the validation split. Everything a ticket may be drawn from."""

    @abstractmethod
    def test(self) -> Split:
        """The test split. The engine calls this for judging and nothing else."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The mean loss of a batch, a scalar; functional, so that it can be stacked."""

    @abstractmethod
    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """One number an example for each metric; the engine averages over the split."""

    def files(self) -> Sequence[Remote]:
        """The public files that the task reads; `ticketbench data fetch` brings them, never a run."""
        return ()

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """Metrics that are functions of means (a perplexity). Default: the means."""
        return means

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """A batch augmented as a pure function of (batch, augment_draws) uniform numbers."""
        return inputs


class Model(Contract):
    """Ordinary single-network PyTorch; the engine stacks it.

    The forward must be functional: no Python branch on the data, so that `torch.func` can stack it. What is
    drawn per training step (how many iterations, say) is common to all cells and arrives as keywords.
    """

    stackable: ClassVar[bool] = True
    """False where the forward cannot be stacked: members then run one by one, and the record says so."""
    sweeps: ClassVar[str] = ""
    """What a budget sweep varies ("iterations"), or "" where the model has none."""

    @abstractmethod
    def build(self, shapes: Shapes) -> nn.Module:
        """The network, with PyTorch's default initialization unless the model has its own."""

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The names of the weights that may be pruned. Default: all with two or more dimensions."""
        return [name for name, weight in module.named_parameters() if weight.ndim >= 2 and weight.requires_grad]

    def training_call(self, draws: random.Random) -> Mapping[str, Any]:
        """The forward's keywords at a training step. Draws come from `draws` and are common to all cells."""
        return {}

    def loss(self, outputs: Any, targets: Tensor, inputs: Tensor, criterion: Callable[..., Tensor]) -> Tensor:
        """The training objective of what the forward returned. Default: the task's criterion."""
        return criterion(outputs, targets, inputs)

    def sweep_call(self, points: Sequence[int]) -> Mapping[str, Any]:
        """The forward's keywords for outputs at several budgets in one pass, (points, batch, ...)."""
        return {}

    def stacked(self, module: nn.Module) -> StackedForward | None:
        """An own forward of many members: f(parameters, buffers, inputs, **call), each with a leading axis.

        Optional; where a model has one, it must agree with the single form (the contract checks compare).
        """
        return None


class Initializer(Contract):
    """Draws the weights a cell starts from."""

    sparse_aware: ClassVar[bool] = False
    """Whether it wants to act again once the first mask is known."""

    @abstractmethod
    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Fill the module's parameters in place. The mask is all ones before a ticket is drawn."""


@dataclass(frozen=True)
class Adaptation:
    """A last training on another task, from the trained weights, before judging."""

    task: Task
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the recipe; `train_only` freezes everything else."""
    fresh: tuple[str, ...] = ()
    """Patterns of parameters that start anew, such as a head for other classes."""


@dataclass(frozen=True)
class Stages:
    """Where a ticket is drawn, trained and judged."""

    draw_on: Task
    train_on: Task
    judge_on: Mapping[str, Task]
    """Label -> the task whose test split is judged."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the recipe of the training on `train_on`, such as another optimizer."""
    sweep: tuple[int, ...] = ()
    """Budgets to judge at, for models that have a sweep; () for their training budget only."""
    adapt: Adaptation | None = None
    """What happens between training and judging, if anything."""
    fresh: tuple[str, ...] = ()
    """Patterns of parameters that start anew on `train_on`, such as a head."""
    draw_recipe: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the recipe of the trainings that are part of drawing."""

    @property
    def trains_elsewhere(self) -> bool:
        """Whether training is another stage than drawing."""
        return self.draw_on != self.train_on or self.recipe != self.draw_recipe or bool(self.fresh)

    def tasks(self) -> list[Task]:
        """Every task that a cell's life touches."""
        adapted = [self.adapt.task] if self.adapt else []
        return [self.draw_on, self.train_on, *self.judge_on.values(), *adapted]


class Protocol(Contract):
    """Turns a cell's task into the stages of its life."""

    @abstractmethod
    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """The stages; `find(name, **options)` gives any other registered task."""


class Probe(Contract):
    """A diagnostic. It looks, and never disturbs: it gets its own random numbers and a trial to read."""

    moments: ClassVar[tuple[str, ...]] = ("drawn", "trained")
    """When it looks: "drawn" (ticket drawn, not trained), "trained" (before judging), "reported" (at every
    network that the method has judged, and at the last one; stored as "round k")."""

    @abstractmethod
    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Named numbers."""


KINDS: Mapping[str, type[Contract]] = {
    "scorer": Scorer,
    "method": Method,
    "model": Model,
    "task": Task,
    "initializer": Initializer,
    "protocol": Protocol,
    "probe": Probe,
}
"""Every kind of thing a plugin can hand over, by the word used in suites and on the command line."""
