"""Judging: metrics of many members over a split, at every budget of a sweep in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.engine.carry import zeros
from ticketbench.engine.data import in_streams
from ticketbench.engine.network import Network, State
from ticketbench.plugin.contracts import Split

Scores = list[dict[str, list[float]]]
"""A member -> metric -> a value at every point of the sweep (one point without a sweep)."""


def evaluate(
    network: Network, parameters: State, buffers: State, split: Split, batch: int, sweep: Sequence[int] = ()
) -> Scores:
    """Every metric of every member, averaged over the split.

    Of a contiguous task a batch has a window of each of `batch` streams, and state, where a model has any, is zero
    before the first of each: the more streams, the more windows are read without what is before them.
    """
    call = network.model.sweep_call(sweep) if sweep else {}
    carried = zeros(network, buffers, min(batch, len(split)))
    sums: dict[str, Tensor] = {}
    with torch.no_grad(), network.mode(training=False):
        for where in batches(network, split, batch):
            inputs, targets = split.inputs[where], split.targets[where]
            states = {name: state[:, : len(inputs)] for name, state in carried.items()}
            outputs = network.outputs(parameters, {**buffers, **states}, inputs, call, shared=True)
            for name, values_fp in metrics(network, outputs, targets, inputs, bool(sweep)).items():
                sums[name] = sums.get(name, 0) + values_fp.double()
    members = len(next(iter(parameters.values())))
    return [summarized(network, sums, len(split), member) for member in range(members)]


def batches(network: Network, split: Split, batch: int) -> Iterator[slice | Tensor]:
    """Which examples are judged together: in order, or as streams of a contiguous task."""
    if network.task.contiguous:
        yield from in_streams(len(split), batch, split.targets.device)
    else:
        yield from (slice(at, at + batch) for at in range(0, len(split), batch))


def metrics(network: Network, outputs: Any, targets: Tensor, inputs: Tensor, swept: bool) -> Mapping[str, Tensor]:
    """Metric -> sums over a batch, (fleet, points)."""

    def one(output: Any) -> dict[str, Tensor]:
        found = network.task.metrics(output, targets, inputs)
        return {name: values.double().sum() for name, values in found.items()}

    each_member = vmap(vmap(one)) if swept else vmap(one)
    found: Mapping[str, Tensor] = each_member(outputs)
    return found if swept else {name: values.unsqueeze(1) for name, values in found.items()}


def summarized(network: Network, sums: Mapping[str, Tensor], examples: int, member: int) -> dict[str, list[float]]:
    """One member's metrics as numbers."""
    means = {name: (total[member] / examples).tolist() for name, total in sums.items()}
    points = len(next(iter(means.values())))
    each = [network.task.summarize({name: values[at] for name, values in means.items()}) for at in range(points)]
    return {name: [float(point[name]) for point in each] for name in each[0]}
