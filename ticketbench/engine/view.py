"""What can be seen of a cell: one network, its mask, its gradients and training data, and no test data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ticketbench import seeds
from ticketbench.engine.data import scoring_batches
from ticketbench.engine.network import State, member_of
from ticketbench.engine.stack import Companion
from ticketbench.errors import TicketError
from ticketbench.masks.ticket import Mask, density_of
from ticketbench.plugin.contracts import Scorer, Shapes, Split, Task

if TYPE_CHECKING:
    from ticketbench.engine.bench import Bench


@dataclass
class Spent:
    """What a cell has cost so far. FLOPs: of training and of the forward passes that were asked for, each with its
    backward pass, at the density of the moment."""

    seconds: float = 0.0
    steps: int = 0
    flops: float = 0.0
    looking: float = 0.0
    """Seconds of probes, which are not the method's."""


class View:
    """One member of a fleet, as if it were alone, for someone who looks."""

    def __init__(self, bench: Bench, member: int, seed: int, density: float, scorer: Scorer | None) -> None:
        self._bench = bench
        self._member = member
        self._generators: dict[str, torch.Generator] = {}
        self._scoring_calls = 0
        self._origin: State = {}
        self._companions: dict[str, Companion] = {}
        self._judged: tuple[Task, Split] | None = None
        self._draws = seed
        self.spent = Spent()
        """Seconds, training steps and FLOPs up to now."""
        self.seed = seed
        self.density = density
        """The fraction of prunable weights that the ticket shall keep."""
        self.scorer = scorer
        """The scorer that the row names, if any."""

    # -- the network -------------------------------------------------------------------------------------

    @property
    def weights(self) -> State:
        """The prunable weights by name: views, zero outside the mask. Do not write to them."""
        every = self._bench.stack.weights(self._member)
        return {name: every[name] for name in self._bench.stack.masks}

    @property
    def parameters(self) -> State:
        """Every trainable parameter by name: views. Do not write to them."""
        return self._bench.stack.weights(self._member)

    @property
    def mask(self) -> Mask:
        """A copy of the mask."""
        return self._bench.stack.mask(self._member)

    @property
    def shapes(self) -> Shapes:
        """The task's shapes."""
        return self._bench.data.task.shapes()

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return self._bench.data.device

    @property
    def total_weights(self) -> int:
        """How many weights may be pruned."""
        return sum(mask[0].numel() for mask in self._bench.stack.masks.values())

    @property
    def present_density(self) -> float:
        """The density of the present mask."""
        return density_of(self.mask)

    @property
    def module(self) -> nn.Module:
        """A copy of the network as an ordinary module: do with it what you like."""
        return self._bench.module_of(self._member)

    def outputs(
        self,
        inputs: Tensor,
        weights: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        training: bool = True,
    ) -> Any:
        """The forward at the training budget; statistics are never touched.

        `weights` and `buffers` replace the present ones by name; statistics follow the dtype of the weights.
        """
        self.spent.flops += self._bench.flops(self.mask, len(inputs))
        parameters = {**self.parameters, **(weights or {})}
        dtype = next(iter(parameters.values())).dtype
        statistics = {
            name: (buffer.to(dtype) if buffer.is_floating_point() else buffer).clone()
            for name, buffer in {**member_of(self._bench.stack.buffers, self._member), **(buffers or {})}.items()
        }
        network = self._bench.network
        with network.mode(training):
            return functional_call(network.module, (parameters, statistics), (inputs,))

    def loss(self, batch: Split, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The task's criterion on a batch, a scalar that can be differentiated twice."""
        return self.criterion(self.outputs(batch.inputs, weights), batch)

    def criterion(self, outputs: Tensor, batch: Split) -> Tensor:
        """The task's criterion of given outputs."""
        return self._task.loss(outputs, batch.targets, batch.inputs)

    def metrics(self, outputs: Tensor, batch: Split) -> dict[str, float]:
        """The task's metrics of given outputs, averaged over the batch."""
        found = self._task.metrics(outputs, batch.targets, batch.inputs)
        return dict(self._task.summarize({name: float(values.double().mean()) for name, values in found.items()}))

    def bill(self, passes: float, examples: int) -> None:
        """Book backward passes beyond the one of each forward, each two thirds of a forward and backward pass."""
        self.spent.flops += self._bench.flops(self.mask, examples) * passes * 2 / 3

    def gradient(self, batch: Split) -> State:
        """∂L/∂θ at every prunable weight, pruned ones included: what growing one would change."""
        leaves = {name: weight.clone().requires_grad_(True) for name, weight in self.weights.items()}
        found = torch.autograd.grad(self.loss(batch, leaves), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if part is None else part
            for (name, leaf), part in zip(leaves.items(), found, strict=True)
        }

    @property
    def average_gradient(self) -> State:
        """The running average of the dense gradient that `train(average=…)` keeps, at every prunable weight."""
        if not self._bench.stack.averages:
            raise TicketError("no average of the gradient is kept: ask for one by train(average=0.9)")
        return {name: part.clone() for name, part in member_of(self._bench.stack.averages, self._member).items()}

    # -- data and randomness -----------------------------------------------------------------------------

    def batches(self, count: int = 1, size: int | None = None) -> Iterator[Split]:
        """Training batches to score on (`count` 0: the whole training split, in order)."""
        self._scoring_calls += 1
        return scoring_batches(
            self._bench.data.train, self._draws, self._scoring_calls, count, size or self._bench.recipe.batch
        )

    def generator(self, purpose: str) -> torch.Generator:
        """A CPU generator of this cell for a purpose; the same one every time, so that it goes on."""
        if purpose not in self._generators:
            self._generators[purpose] = seeds.generator(self._draws, purpose)
        return self._generators[purpose]

    @property
    def origin(self) -> State:
        """Every trainable parameter as the present training started from it."""
        return self._origin or self.parameters

    @property
    def companions(self) -> Mapping[str, Companion]:
        """The networks that the method has kept, in order."""
        return dict(self._companions)

    @property
    def judged(self) -> Split:
        """The test split that the network was judged on: only probes see it, at the moment "judged"."""
        if self._judged is None:
            raise TicketError("the judged examples are there for probes only, and at the moment 'judged' only")
        return self._judged[1]

    @property
    def _task(self) -> Task:
        return self._judged[0] if self._judged else self._bench.data.task
