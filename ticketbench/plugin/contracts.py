"""What plugins hand over: small frozen classes with a name, a summary, a reference and typed options.

A plugin author subclasses one of these as a frozen dataclass and writes its one method. The fields are its
options; the docstring carries the formula, the citation and every deviation. Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ticketbench.plugin.examples import Remote as Remote
from ticketbench.plugin.examples import Shapes as Shapes
from ticketbench.plugin.examples import Sizes as Sizes
from ticketbench.plugin.examples import Split as Split

if TYPE_CHECKING:
    import random

    import torch
    from torch import Tensor, nn

    from ticketbench.plugin.mask_rule import MaskView
    from ticketbench.plugin.request import Request
    from ticketbench.plugin.trial import Trial
    from ticketbench.plugin.trial_stack import TrialStack
    from ticketbench.sparse.tape import Tape

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
    """Ranks weights at the moment it is asked; higher = keep.

    >>> @dataclass(frozen=True)
    ... class Magnitude(Scorer):
    ...     name = "my_magnitude"
    ...     summary = "the absolute value of the weight"
    ...     def score(self, trial):
    ...         return {name: weight.abs() for name, weight in trial.weights.items()}
    """

    @abstractmethod
    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """A finite score for every prunable weight, in tensors of the weights' shapes."""

    def scores_of(self, view: MaskView) -> Mapping[str, Tensor] | None:
        """The same scores as a function of weights and mask alone, in operations that `torch.func.vmap` can stack.

        Optional, for scores that need no gradient and no random numbers: the members of a fleet are then pruned
        together where a method yields `trial.pruning(…)`. It must agree with `score` (the contract checks compare); a
        subclass that overrides `score` alone has none.
        """
        return None


class Method(Contract):
    """How a ticket is drawn, from start to end, written for one network.

    `draw` may be a plain function (one-shot) or a generator that yields `trial.train(...)` wherever training
    is part of drawing, and `trial.remask(...)` or `trial.pruning(...)` where it changes masks often. When it ends,
    the engine trains what is left of the schedule and judges the result.

    >>> @dataclass(frozen=True)
    ... class AfterTraining(Method):
    ...     name = "my_after_training"
    ...     summary = "train, prune once, and train the pruned network again from the start of the schedule"
    ...     ranks_by = "my_magnitude"
    ...     def draw(self, trial):
    ...         yield trial.train()
    ...         trial.prune(trial.density)
    ...         trial.restart()
    """

    fixed_density: ClassVar[float | None] = None
    """The only density the method makes sense at (1 for no pruning), or None for any."""
    ranks_by: ClassVar[str | None] = None
    """The scorer it ranks by (`trial.scorer`) where a row names none; "" if every row must name one; None if
    it takes none. The scorer is part of the cell, so that its source is part of the key."""
    mixes: ClassVar[bool] = True
    """Whether its cells may share a stack with those of other methods on a GPU. False for a method that stops every few
    hundred steps, for which all others would wait, or whose steps are not plain ones. It decides no result."""
    removes_units: ClassVar[bool] = False
    """True for a method that drops whole units: as it cannot hit every count, it keeps at most as many weights
    as the density says, and after drawing the engine takes the dropped units out, so that the network is smaller."""

    @abstractmethod
    def draw(self, trial: Trial) -> Iterator[Request] | None:
        """Draw the ticket of this trial at `trial.density`."""

    def trainings(self, density: float) -> float:
        """How many full trainings a cell takes, drawing included, for the plan's estimate."""
        return 1.0

    def scorings(self, density: float) -> float:
        """How often a cell's weights are ranked, for the plan's estimate; it decides no result, and is in no key."""
        return 0.0 if self.ranks_by is None else 1.0


class Task(Contract):
    """Data, criterion and metrics. Deterministic from its options; it never looks at a cell's seed."""

    augment_draws: ClassVar[int] = 0
    """How many uniform numbers the augmentation of one example consumes; 0 for none."""
    resident: ClassVar[bool] = True
    """Whether the splits' inputs move to the device whole. False where they are too large for it: they stay on the
    host, memory-mapped for example, and each batch is moved when it is used."""
    contiguous: ClassVar[bool] = False
    """Whether examples are windows of one long sequence. They are not shuffled then: a batch has a window of each of
    as many streams, the next batch the windows behind them, and a model may carry its state from one to the other."""

    cross_entropy: ClassVar[Literal["", "mean", "shares"]] = ""
    """What `loss` is, where it is a cross entropy of classes: its "mean" over examples and places, or the sum over them
    times the `shares` of each. Cells whose loss is anything else are not computed by the sparse engine."""

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

    def choosing(self) -> Split:
        """The choosing split: validation examples as hard as the judged ones, none of which is judged or trained on.

        A suite whose headline is `at = "validated"` judges networks here, too, and the budget that is best here is the
        one that the headline is read at. Default: the validation split. `sizes().choosing` says how many there are.
        """
        return self.training()[1]

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The mean loss of a batch, a scalar; functional, so that it can be stacked."""

    @abstractmethod
    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """One number an example for each metric; the engine averages over the split."""

    def losses(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor | None:
        """The loss of every member of a fleet, (fleet,), from tensors with a leading axis over members.

        Optional: where there is none, the engine stacks `loss`. On a GPU it saves a small network many launches.
        """
        return None

    def shares(self, targets: Tensor, inputs: Tensor) -> Tensor:
        """What each target of a batch counts in a cross entropy by "shares": a tensor of the targets' shape."""
        raise NotImplementedError(f"task '{self.name}' has no shares")

    def files(self) -> Sequence[Remote]:
        """The public files that the task reads; `ticketbench data fetch` brings them, never a run."""
        return ()

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """Metrics that are functions of means (a perplexity). Default: the means."""
        return means

    def prepare(self, inputs: Tensor) -> Tensor:
        """A batch of stored inputs (bytes, say), already on the device, as what the model takes: an example a row.

        It comes before everything else that is done with a batch: augmentation, forward, loss and metrics.
        """
        return inputs

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """A batch augmented as a pure function of (batch, augment_draws) uniform numbers."""
        return inputs


class Model(Contract):
    """Ordinary single-network PyTorch; the engine stacks it.

    The forward must be functional: no Python branch on the data, so that `torch.func` can stack it. What is
    drawn per training step (how many iterations, say) is common to all cells and arrives as keywords.

    >>> @dataclass(frozen=True)
    ... class OneHidden(Model):
    ...     name = "one_hidden"
    ...     summary = "one hidden layer on vectors"
    ...     width: int = 20
    ...     def build(self, shapes):
    ...         from torch import nn
    ...         hidden = nn.Linear(*shapes.inputs, self.width)
    ...         return nn.Sequential(hidden, nn.ReLU(), nn.Linear(self.width, shapes.outputs))
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
        """The forward's keywords at a training step. Draws come from `draws` and are common to all cells.

        Plain values decide what is computed, and a step is prepared for each; what differs at every step is a tensor.
        """
        return {}

    def carried(self, module: nn.Module) -> Sequence[str]:
        """The buffers that hold state from batch to batch of a contiguous task, a row an example. Default: none.

        They are built with no rows, which means no state. With rows, the forward starts from a copy of them and leaves
        its last state in them, in place and detached; they are zero at the start of every epoch and evaluation.
        """
        return ()

    def loss(self, outputs: Any, targets: Tensor, inputs: Tensor, criterion: Callable[..., Tensor]) -> Tensor:
        """The training objective of what the forward returned. Default: the task's criterion."""
        return criterion(outputs, targets, inputs)

    def sweep_call(self, points: Sequence[int]) -> Mapping[str, Any]:
        """The forward's keywords for outputs at several budgets in one pass, (points, batch, ...)."""
        return {}

    def stacked(self, module: nn.Module) -> StackedForward | None:
        """An own forward of many members: f(parameters, buffers, inputs, **call), each with a leading axis.

        Optional; where a model has one, it must agree with the single form (the contract checks compare). With the
        keywords of `sweep_call` it may give an iterator of outputs (members, batch, ...), budget by budget in the order
        asked for, instead of a tensor (members, points, batch, ...) that has to hold all of them.
        """
        return None

    def tape(self, module: nn.Module, inputs: Sequence[int], call: Mapping[str, Any]) -> Tape | None:
        """The forward as a list of operations, which the sparse engine computes at the live weights alone.

        For an example of this shape, with these keywords of the forward: none, those of `training_call` (the answers'
        shares are then what `loss` makes of their cross entropies) or those of `sweep_call` (an answer a budget, in
        that order). None where there is none; such cells are computed densely. Default: that of an `nn.Sequential`
        of PyTorch's own layers, where the loss is the criterion. It must agree with the forward (the contract checks
        compare).
        """
        if type(self).loss is not Model.loss or call:
            return None
        from ticketbench.sparse.sequential import sequential_tape

        return sequential_tape(module, inputs)


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
    """Turns a cell's task into the stages of its life.

    >>> @dataclass(frozen=True)
    ... class JudgedElsewhere(Protocol):
    ...     name = "judged_elsewhere"
    ...     summary = "draw and train on the task, and judge on another one, too"
    ...     def stages(self, task, find):
    ...         return Stages(task, task, {"own": task, "other": find("other_task", noise=0.1)})
    """

    @abstractmethod
    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """The stages; `find(name, **options)` gives any other registered task."""


@dataclass(frozen=True)
class Points:
    """What a probe found along something: (x, value) for each x."""

    x_name: str
    values: tuple[tuple[float, float], ...]


class Probe(Contract):
    """A diagnostic. It looks, and never disturbs: it gets its own random numbers and a trial to read.

    >>> @dataclass(frozen=True)
    ... class Norms(Probe):
    ...     name = "norms"
    ...     summary = "the length of each layer's weights"
    ...     def measure(self, trial):
    ...         return {name: float(weight.norm()) for name, weight in trial.weights.items()}
    """

    moments: ClassVar[tuple[str, ...]] = ("drawn", "trained")
    """When it looks: "started" (nothing is drawn yet), "drawn" (ticket drawn, not trained), "trained" (the end of
    training, before judging; the last network, also where the recipe selects the best validation), "reported" (at every
    network that the method has judged, and at the last one; stored as "round k"), "masked" (before and after every
    change of the mask), "judged" (afterwards, at the judged network; it may then see the test split)."""

    def steps(self, total: int) -> Collection[int]:
        """The steps of a training at which it looks, too: 0 before the first of them, `total` at the end."""
        return ()

    @abstractmethod
    def measure(self, trial: Trial) -> Mapping[str, float | Points]:
        """What it found: name -> a number, or `Points` for numbers along something, such as a spectrum.

        Each becomes a row of the table `probes` or a curve, under "probe/name".
        """

    def measure_stacked(self, stack: TrialStack) -> Sequence[Mapping[str, float | Points]] | None:
        """What it found of several members, in their order, each as `measure` would find it but for rounding.

        Optional, for probes that look along the way: at the steps of a training, and around changes of masks that the
        members of a fleet make together. The contract checks compare; a subclass that overrides `measure` alone has
        none.
        """
        return None


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
