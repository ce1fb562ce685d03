"""What a method, a scorer or a probe gets of a cell: one network, its mask, training data, and no test data.

This is the contract. The engine implements it for a member of a fleet, so that whoever uses it writes for one network.
All tensors that it hands out are copies: nothing that is done to them changes the cell.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ticketbench.plugin.examples import Shapes, Split
    from ticketbench.plugin.mask_rule import MaskRule
    from ticketbench.plugin.regime import Regime
    from ticketbench.plugin.request import Prune, Remask, Train


@dataclass(frozen=True)
class Snapshot:
    """A network's weights and statistics at a step, to rewind to."""

    weights: dict[str, Tensor]
    buffers: dict[str, Tensor]
    step: int


@dataclass(frozen=True)
class Companion:
    """A network that a method keeps beside its own: what others are compared with."""

    weights: dict[str, Tensor]
    """Every trainable parameter; zero outside the mask."""
    buffers: dict[str, Tensor]
    mask: dict[str, Tensor]


@dataclass
class Spent:
    """What a cell has cost so far. FLOPs: of training and of the forward passes that were asked for, each with its
    backward pass, at the density of the moment."""

    seconds: float = 0.0
    steps: int = 0
    flops: float = 0.0
    looking: float = 0.0
    """Seconds of probes, which are not the method's."""


class Ranking(Protocol):
    """What can rank weights, as far as a trial needs it: every `Scorer` does."""

    @property
    def name(self) -> str:
        """The name that suites, messages and records call it by."""

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """A number for every prunable weight; higher = keep."""


class Trial(ABC):
    """One cell, as if it were alone.

    Scorers and probes look: they read weights, ask for gradients, draw batches. A method acts as well: it trains,
    prunes, rewinds, reports. Whatever a scorer or a probe does to what it is given, the cell stays as it is.

    >>> def score(self, trial):  # of a scorer: s = |θ · ∂L/∂θ| on one batch of the training split
    ...     gradient = trial.gradient(next(trial.batches()))
    ...     return {name: (weight * gradient[name]).abs() for name, weight in trial.weights.items()}

    >>> def draw(self, trial):  # of a method: train for a while, prune, and go on from where training began
    ...     start = trial.snapshot()
    ...     yield trial.train(until=trial.total_steps // 2)
    ...     trial.prune(trial.density)
    ...     trial.rewind(start)
    """

    seed: int
    """The cell's seed."""
    density: float
    """The fraction of prunable weights that the ticket shall keep."""
    scorer: Ranking | None
    """The scorer that the row names, if any."""
    spent: Spent
    """Seconds, training steps and FLOPs up to now."""

    # -- the network -------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights by name, zero outside the mask."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Tensor]:
        """Every trainable parameter by name: the prunable weights, and biases, norms and the like, too."""

    @property
    @abstractmethod
    def extras(self) -> dict[str, Tensor]:
        """What a `Regime` trains beside the weights, by its names; empty where none is at work."""

    @property
    @abstractmethod
    def computed(self) -> dict[str, Tensor]:
        """Every trainable parameter as the forward sees it: where a `Regime` computes weights, what it computes."""

    @property
    @abstractmethod
    def mask(self) -> dict[str, Tensor]:
        """The mask: a bool tensor for every prunable weight."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """The shape of one input of the task, and how many outputs it has."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device that the network lives on; whatever is handed out lies there, too."""

    @property
    @abstractmethod
    def total_weights(self) -> int:
        """How many weights may be pruned, over all layers; those that are pruned already count."""

    @property
    @abstractmethod
    def present_density(self) -> float:
        """The share of the prunable weights that the present mask keeps."""

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """A copy of the network as an ordinary module: do with it what you like.

        `unit_chain(trial.module)` says which of its layers read which.
        """

    @abstractmethod
    def outputs(
        self,
        inputs: Tensor,
        weights: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        training: bool = True,
    ) -> Any:
        """The forward at the training budget; statistics are never touched.

        `weights` and `buffers` replace the present ones by name; statistics follow the dtype of the weights. What the
        model draws at random while it trains is drawn from this cell's seed, anew at every call.
        """

    @abstractmethod
    def loss(self, batch: Split, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The task's criterion on a batch, a scalar that can be differentiated twice."""

    @abstractmethod
    def criterion(self, outputs: Tensor, batch: Split) -> Tensor:
        """The task's criterion of outputs that you have already, such as those of `outputs`; a scalar."""

    @abstractmethod
    def metrics(self, outputs: Tensor, batch: Split) -> dict[str, float]:
        """The task's metrics of given outputs, averaged over the batch."""

    @abstractmethod
    def bill(self, passes: float, examples: int) -> None:
        """Book backward passes beyond the one of each forward, each two thirds of a forward and backward pass."""

    @abstractmethod
    def gradient(self, batch: Split, *, live: bool = False) -> dict[str, Tensor]:
        """∂L/∂θ at every prunable weight, pruned ones included: what growing one would change.

        With `live` whoever asks needs it at live weights alone, which costs less where few are left; at pruned ones it
        may then be anything finite.
        """

    @property
    @abstractmethod
    def average_gradient(self) -> dict[str, Tensor]:
        """The running average of the dense gradient that `train(average=…)` keeps, at every prunable weight."""

    # -- data and randomness -----------------------------------------------------------------------------

    @abstractmethod
    def batches(self, count: int = 1, size: int | None = None) -> Iterator[Split]:
        """Training batches to score on (`count` 0: the whole training split, in order).

        `next(trial.batches())` is one batch of the recipe's size; `size` asks for another.
        """

    @abstractmethod
    def generator(self, purpose: str) -> torch.Generator:
        """A CPU generator of this cell for a purpose; the same one every time, so that it goes on.

        `torch.rand(shape, generator=trial.generator("growth"))` draws numbers that depend on the cell's seed alone, and
        not on what is drawn for other purposes.
        """

    @property
    @abstractmethod
    def origin(self) -> dict[str, Tensor]:
        """Every trainable parameter as the present training started from it."""

    @property
    @abstractmethod
    def companions(self) -> Mapping[str, Companion]:
        """The networks that the method has kept, in order."""

    @property
    @abstractmethod
    def judged(self) -> Split:
        """The test split that the network was judged on: only probes see it, at the moment "judged"."""

    # -- the schedule ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def step(self) -> int:
        """The step of the schedule that the network has reached."""

    @property
    @abstractmethod
    def total_steps(self) -> int:
        """How many steps a whole training takes, from the start of the schedule to its end."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """How many steps pass over the training split once."""

    @property
    @abstractmethod
    def trainings(self) -> int:
        """How many trainings have begun with a fresh optimizer; one that is gone on with counts once."""

    @abstractmethod
    def learning_rate(self, step: int | None = None) -> float:
        """The learning rate of a step (default: the next one)."""

    @abstractmethod
    def train(
        self,
        until: int | None = None,
        average: float | None = None,
        order: int = 0,
        masks: str = "",
        density: float | None = None,
        regime: Regime | None = None,
    ) -> Train:
        """A request to yield: train until this step, or to the end of the schedule.

        `average`: the decay of a running average of the dense gradient that is kept on the way, from zero at the start
        of a training. `order`: another order of the examples. `masks`: a scope; what is trained is not weights but
        which of them to keep, at the density given or the cell's. `regime`: what is different about the steps: a
        penalty, another gradient, further parameters, weights that are computed from others.
        """

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """A copy of the present weights, statistics and step."""

    @abstractmethod
    def rewind(self, start: Snapshot) -> None:
        """Back to a snapshot under the present mask: its weights bit for bit, its step, a fresh optimizer."""

    @abstractmethod
    def restart(self) -> None:
        """The schedule from its start with a fresh optimizer, on the present weights."""

    @abstractmethod
    def reinitialize(self) -> None:
        """All weights drawn anew by the cell's initializer, under the present mask, at step 0, each time others."""

    @abstractmethod
    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Other values for some parameters; outside the mask they become zero. Step and optimizer slots stay."""

    @abstractmethod
    def set_extras(self, extras: Mapping[str, Tensor]) -> None:
        """Other values for some of what a `Regime` trains or holds beside the weights. Optimizer slots stay."""

    @abstractmethod
    def keep(self, name: str) -> None:
        """Keep a copy of the present network under a name, for probes to compare with.

        Where the recipe selects the best validation, that network is kept, as it is the one that would be judged.
        """

    # -- what is reported ----------------------------------------------------------------------------------

    @abstractmethod
    def report(self) -> None:
        """Have the present network judged as a point of the accuracy-density curve. Nothing comes back."""

    @abstractmethod
    def offer(self) -> bool:
        """Have the present ticket trained where the protocol trains, as a point of the accuracy-density curve.

        False, and nothing happens, where a ticket is trained where it is drawn: there the method trains it and
        reports. What it reports elsewhere is no result and is not judged.
        """

    @abstractmethod
    def note(self, name: str, value: float) -> None:
        """Record a number of the method's own; it is stored with the probes, under the round last reported.

        `trial.note("regrown", 12)` becomes a row of the table `probes`.
        """

    # -- the mask ----------------------------------------------------------------------------------------

    @abstractmethod
    def score(self, scorer: Ranking | None = None) -> dict[str, Tensor]:
        """Scores of the weights as they are now, by the row's scorer or another one."""

    @abstractmethod
    def prune(
        self, density: float | None = None, scope: str = "global", scores: Mapping[str, Tensor] | None = None
    ) -> None:
        """Keep exactly the best weights that are left, by the row's scorer (or given scores) and a scope.

        `trial.prune()` prunes to the cell's density, `trial.prune(0.5, scope="layerwise")` to half of every layer.
        `scores={name: tensor}` ranks by those instead, higher = keep.
        """

    @abstractmethod
    def set_mask(self, mask: Mapping[str, Tensor]) -> None:
        """A mask of the method's own making. Dropped weights and slots become zero, grown ones start there.

        It needs a bool tensor for every prunable weight; `trial.mask` is a copy of the present one to begin with.
        """

    @abstractmethod
    def pruning(self, density: float | None = None, scope: str = "global") -> Prune:
        """A request to yield: prune as `trial.prune(density, scope)` does, by the row's scorer.

        The members of a fleet that wait for it are pruned together, if the scorer has a form for that.
        """

    @abstractmethod
    def remask(self, rule: MaskRule, **numbers: float) -> Remask:
        """A request to yield: change the mask by a rule. Dropped weights and slots become zero, grown ones start there.

        The members of a fleet that wait for the same rule change their masks together. `numbers` are what the rule is
        told of this cell and this change, such as how many weights to keep.
        """

    @property
    @abstractmethod
    def remembered(self) -> dict[str, Tensor]:
        """What the rule of the last `remask` holds on to; empty before the first."""
