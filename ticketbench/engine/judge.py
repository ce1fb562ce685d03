"""Judging: metrics of many members over a split, at every budget of a sweep in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.engine.carry import zeros
from ticketbench.engine.data import in_streams, placed
from ticketbench.engine.network import Network
from ticketbench.engine.state import State
from ticketbench.errors import SuiteError
from ticketbench.plan.choosing import nothing_to_choose_on
from ticketbench.plugin.contracts import Split, Stages, Task
from ticketbench.sparse.live import Live
from ticketbench.sparse.memory import LANES

SWEPT = 2000
"""Outputs of a sweep at live weights, over examples and budgets, that are held at once."""
Scores = list[dict[str, list[float]]]
"""A member -> metric -> a value at every point of the sweep (one point without a sweep)."""


@dataclass(frozen=True)
class Candidate:
    """A network that waits to be judged."""

    member: int
    density: float
    parameters: State
    buffers: State
    final: bool = False
    """Whether it is the cell's own result, and not a point on the way to it."""


class JudgedCandidate(NamedTuple):
    """What a network is worth: label -> metric -> a value at every point of the sweep."""

    candidate: Candidate
    test: dict[str, dict[str, list[float]]]
    choosing: dict[str, dict[str, list[float]]]
    """The same on the choosing splits; empty where no budget is chosen."""


class Judge:
    """Judges the networks of a fleet, and is the only one that sees test splits."""

    def __init__(self, stages: Stages, device: torch.device) -> None:
        self.stages = stages
        self.device = device
        self.waiting: list[Candidate] = []
        self.closed = False
        """Whether nothing is judged at all: tickets are drawn, and no test split may be seen."""
        self._tests: dict[str, Split] = {}
        self._choosing: dict[str, Split] = {}

    def sweep(self, network: Network) -> tuple[int, ...]:
        """The budgets to judge at, if the model has a sweep."""
        return self.stages.sweep if network.model.sweeps else ()

    def take(self, candidate: Candidate) -> None:
        """A network waits to be judged from here on, if anything is."""
        if not self.closed:
            self.waiting.append(candidate)

    def withdraw(self, member: int) -> None:
        """Judge nothing that a member has handed in so far."""
        self.waiting = [candidate for candidate in self.waiting if candidate.member != member]

    def judge(self, network: Network, batch: int, chooses: bool = False) -> list[JudgedCandidate]:
        """Judge everything that waits; if a budget is to be chosen, on the choosing splits as well."""
        candidates, self.waiting = self.waiting, []
        if not candidates:
            return []
        parameters, buffers = (
            {name: torch.stack([state[name] for state in side]) for name in side[0]}
            for side in ([one.parameters for one in candidates], [one.buffers for one in candidates])
        )
        sweep = self.sweep(network)
        tested: dict[str, Scores] = {}
        chosen: dict[str, Scores] = {}
        for label, task in self.stages.judge_on.items():
            judged = network.on(task)
            if chooses and sweep:
                chosen[label] = evaluate(judged, parameters, buffers, self.choosing(label, task), batch, sweep)
            if label not in self._tests:
                self._tests[label] = placed(task, task.test(), self.device)
            tested[label] = evaluate(judged, parameters, buffers, self._tests[label], batch, sweep)
        return [
            JudgedCandidate(one, *({label: scores[at] for label, scores in side.items()} for side in (tested, chosen)))
            for at, one in enumerate(candidates)
        ]

    def choosing(self, label: str, task: Task) -> Split:
        """The choosing split of a judged task, of which there must be something."""
        if label not in self._choosing:
            split = task.choosing()
            if not len(split):
                raise SuiteError(nothing_to_choose_on(task))
            self._choosing[label] = placed(task, split, self.device)
        return self._choosing[label]

    def judged_on(self) -> tuple[Task, Split]:
        """The task that the headline was judged on, and its test split."""
        label, task = next(iter(self.stages.judge_on.items()))
        return task, self._tests[label]


def evaluate(
    network: Network, parameters: State, buffers: State, split: Split, batch: int, sweep: Sequence[int] = ()
) -> Scores:
    """Every metric of every member, averaged over the split.

    Of a contiguous task a batch has a window of each of `batch` streams, and state, where a model has any, is zero
    before the first of each: the more streams, the more windows are read without what is before them. Of a sweep only
    sums of metrics are kept, so that outputs at one budget are all that has to be held.

    Networks of which little is left are computed at their live weights, each by itself.
    """
    members = range(len(next(iter(parameters.values()))))
    lives = [live_of(network, parameters, member) for member in members]
    dense = [member for member, live in zip(members, lives, strict=True) if live is None]
    found: dict[int, dict[str, list[float]]] = {}
    if dense:
        whole = len(dense) == len(lives)
        weights, statistics = (
            state if whole else {name: part.detach()[dense] for name, part in state.items()}
            for state in (parameters, buffers)
        )
        found.update(zip(dense, evaluate_densely(network, weights, statistics, split, batch, sweep), strict=True))
    for member, live in zip(members, lives, strict=True):
        if live is not None:
            outside = {name: part.detach()[member] for name, part in buffers.items()}
            found[member] = evaluate_live(network, live, outside, split, batch, sweep)
    return [found[member] for member in members]


def live_of(network: Network, parameters: State, member: int) -> Live | None:
    """A network's live weights, if it is to be computed at these alone."""
    if network.sparse is None:
        return None
    return network.sparse.live({name: part.detach()[member] for name, part in parameters.items()})


def evaluate_live(
    network: Network, live: Live, statistics: State, split: Split, batch: int, sweep: Sequence[int]
) -> dict[str, list[float]]:
    """`evaluate` of one network at its live weights; `statistics` are its buffers, and whatever else is not trained."""
    form = network.sparse
    assert form is not None
    buffers = dict(network.module.named_buffers())
    streams = min(batch, len(split))
    carried = {name: torch.zeros(streams, *buffers[name].shape[1:]) for name in network.carried}
    sums: dict[str, Tensor] = {}
    if sweep:  # the outputs at all budgets are there at once
        batch = min(batch, max(LANES, SWEPT // len(sweep)))
    for where in batches(network, split, batch):
        inputs, targets = split.inputs[where], split.targets[where]
        states = {name: state[: len(inputs)] for name, state in carried.items()}
        call = network.model.sweep_call(sweep) if sweep else {}
        swept = form.outputs(live, {**statistics, **states}, inputs, call)
        each = [metrics(network, outputs.unsqueeze(0), targets, inputs) for outputs in swept]
        for name in each[0]:
            sums[name] = sums.get(name, 0) + torch.stack([point[name] for point in each], dim=1).double()
    return summarized(network, sums, len(split), 0)


def evaluate_densely(
    network: Network, parameters: State, buffers: State, split: Split, batch: int, sweep: Sequence[int]
) -> Scores:
    """`evaluate` of stacked networks, with all of their weights."""
    carried = zeros(network.carried, buffers, min(batch, len(split)))
    sums: dict[str, Tensor] = {}
    with torch.no_grad(), network.mode(training=False):
        for where in batches(network, split, batch):
            inputs, targets = split.inputs[where], split.targets[where]
            states = {name: state[:, : len(inputs)] for name, state in carried.items()}
            swept = network.swept(parameters, {**buffers, **states}, inputs, sweep)
            each = [metrics(network, outputs, targets, inputs) for outputs in swept]
            for name in each[0]:
                sums[name] = sums.get(name, 0) + torch.stack([point[name] for point in each], dim=1).double()
    count = len(next(iter(parameters.values())))
    return [summarized(network, sums, len(split), member) for member in range(count)]


def batches(network: Network, split: Split, batch: int) -> Iterator[slice | Tensor]:
    """Which examples are judged together: in order, or as streams of a contiguous task."""
    if network.task.contiguous:
        yield from in_streams(len(split), batch, split.targets.device)
    else:
        yield from (slice(at, at + batch) for at in range(0, len(split), batch))


def metrics(network: Network, outputs: Any, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
    """Metric -> sums over a batch, one a member."""

    def one(output: Any) -> dict[str, Tensor]:
        found = network.task.metrics(output, targets, inputs)
        return {name: values.double().sum() for name, values in found.items()}

    found: Mapping[str, Tensor] = vmap(one)(outputs)
    return found


def summarized(network: Network, sums: Mapping[str, Tensor], examples: int, member: int) -> dict[str, list[float]]:
    """One member's metrics as numbers, at each point of the sweep: means, and what the task makes of them."""
    means = {name: (total[member] / examples).tolist() for name, total in sums.items()}
    points = len(next(iter(means.values())))
    each = [network.task.summarize({name: values[at] for name, values in means.items()}) for at in range(points)]
    return {name: [float(point[name]) for point in each] for name in each[0]}
