"""What a method, a scorer or a probe sees of a cell: one network, its mask, training data, and no test data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ticketbench import seeds
from ticketbench.contracts import Scorer, Shapes, Split, Train
from ticketbench.data import scoring_batches
from ticketbench.errors import TicketError
from ticketbench.fleet import Snapshot
from ticketbench.network import State, member_of
from ticketbench.scopes import kept_count
from ticketbench.ticket import Mask, density_of, mask_from_scores

if TYPE_CHECKING:
    from ticketbench.bench import Bench


Finding = tuple[str, str, str, float]
"""(probe or method, moment, name, value)."""


@dataclass
class Spent:
    """What a cell has cost so far. FLOPs: of training and of the forward passes that were asked for, each with its
    backward pass, at the density of the moment."""

    seconds: float = 0.0
    steps: int = 0
    flops: float = 0.0
    looking: float = 0.0
    """Seconds of probes, which are not the method's."""


class Trial:
    """One member of a fleet, as if it were alone."""

    def __init__(self, bench: Bench, member: int, seed: int, density: float, scorer: Scorer | None) -> None:
        self._bench = bench
        self._member = member
        self._generators: dict[str, torch.Generator] = {}
        self._scoring_calls = 0
        self._reports = 0
        self._offers = 0
        self._redrawn = 0
        self.spent = Spent()
        """Seconds, training steps and FLOPs up to now."""
        self.findings: list[Finding] = []
        """What probes measured and the method noted."""
        self._draws = seed
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

    def outputs(self, inputs: Tensor, weights: Mapping[str, Tensor] | None = None, *, training: bool = True) -> Any:
        """The forward at the training budget; statistics are never touched.

        `weights` replace the present ones by name; the statistics follow their dtype.
        """
        self.spent.flops += self._bench.flops(self.mask, len(inputs))
        parameters = {**self.parameters, **(weights or {})}
        dtype = next(iter(parameters.values())).dtype
        buffers = {
            name: (buffer.to(dtype) if buffer.is_floating_point() else buffer).clone()
            for name, buffer in member_of(self._bench.stack.buffers, self._member).items()
        }
        network = self._bench.network
        with network.mode(training):
            return functional_call(network.module, (parameters, buffers), (inputs,))

    def loss(self, batch: Split, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The task's criterion on a batch, a scalar that can be differentiated twice."""
        return self.criterion(self.outputs(batch.inputs, weights), batch)

    def criterion(self, outputs: Tensor, batch: Split) -> Tensor:
        """The task's criterion of given outputs."""
        return self._bench.data.task.loss(outputs, batch.targets, batch.inputs)

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

    # -- the schedule ------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """The step of the schedule that the network has reached."""
        return self._bench.stack.steps[self._member]

    @property
    def total_steps(self) -> int:
        """How many steps one training takes."""
        return self._bench.recipe.total_steps(len(self._bench.data.train))

    @property
    def steps_per_epoch(self) -> int:
        """How many steps one epoch takes."""
        return self._bench.recipe.steps_per_epoch(len(self._bench.data.train))

    def learning_rate(self, step: int | None = None) -> float:
        """The learning rate of a step (default: the next one)."""
        at = self.step if step is None else step
        return self._bench.recipe.learning_rate_at(at, len(self._bench.data.train))

    def train(self, until: int | None = None) -> Train:
        """A request to yield: train until this step, or to the end of the schedule."""
        if until is not None and not self.step <= until <= self.total_steps:
            raise TicketError(f"cannot train until step {until}: at step {self.step} of {self.total_steps}")
        return Train(until)

    def snapshot(self) -> Snapshot:
        """A copy of the present weights, statistics and step."""
        return self._bench.stack.snapshot(self._member)

    def rewind(self, start: Snapshot) -> None:
        """Back to a snapshot under the present mask: its weights bit for bit, its step, a fresh optimizer."""
        self._bench.stack.rewind(self._member, start)

    def restart(self) -> None:
        """The schedule from its start with a fresh optimizer, on the present weights."""
        self._bench.stack.restart(self._member, 0)

    def reinitialize(self) -> None:
        """All weights drawn anew by the cell's initializer, under the present mask, at step 0, each time others."""
        self._redrawn += 1
        self._bench.reinitialize(self._member, f" {self._redrawn}")

    # -- what is reported ----------------------------------------------------------------------------------

    def report(self) -> None:
        """Have the present network judged as a point of the accuracy-density curve. Nothing comes back."""
        self._bench.report(self._member, self.present_density)
        self.look("reported")

    def offer(self) -> bool:
        """Have the present ticket trained where the protocol trains, as a point of the accuracy-density curve.

        False, and nothing happens, where a ticket is trained where it is drawn: there the method trains it and
        reports. What it reports elsewhere is no result and is not judged.
        """
        taken = self._bench.offer(self._member, self.present_density)
        self._offers += taken
        return taken

    def note(self, name: str, value: float) -> None:
        """Record a number of the method's own; it is stored with the probes, under the round last reported."""
        method = self._bench.casts[self._member].method
        at = max(0, self._reports - 1, self._offers - 1)
        self.findings.append((method.name, f"round {at}", name, float(value)))

    def look(self, moment: str) -> None:
        """Let the probes of a moment measure. Each gets random numbers of its own; its time is nobody's."""
        start = time.perf_counter()
        label = f"round {self._reports}" if moment == "reported" else moment
        for probe in self._bench.casts[self._member].probes:
            if moment in probe.moments:
                found = probe.measure(self._onlooker(probe.name))
                self.findings += [(probe.name, label, name, float(value)) for name, value in found.items()]
        self._reports += moment == "reported"
        self.spent.looking += time.perf_counter() - start

    def _onlooker(self, purpose: str) -> Trial:
        """The same network for someone who must not disturb: other random numbers, a copy of the bill."""
        other = Trial(self._bench, self._member, self.seed, self.density, self.scorer)
        other._draws = seeds.seed_of(self.seed, "probe", purpose)
        other.spent = replace(self.spent)
        return other

    # -- the mask ----------------------------------------------------------------------------------------

    def score(self, scorer: Scorer | None = None) -> dict[str, Tensor]:
        """Scores of the weights as they are now, by the row's scorer or another one."""
        chosen = scorer or self.scorer
        if chosen is None:
            raise TicketError("this row names no scorer: give score() one, or prune() the scores")
        return dict(chosen.score(self))

    def prune(
        self, density: float | None = None, scope: str = "global", scores: Mapping[str, Tensor] | None = None
    ) -> None:
        """Keep exactly the best weights that are left, by the row's scorer (or given scores) and a scope."""
        count = kept_count(self.density if density is None else density, self.total_weights)
        self.set_mask(mask_from_scores(self.score() if scores is None else scores, self.mask, count, scope))

    def set_mask(self, mask: Mapping[str, Tensor]) -> None:
        """A mask of the method's own making. Dropped weights and slots become zero, grown ones start there."""
        missing = [name for name in self._bench.stack.masks if name not in mask]
        if missing:
            raise TicketError(f"the mask lacks '{missing[0]}'")
        self._bench.stack.set_mask(self._member, mask)
