"""Trials on networks whose curvature is known."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from ticketbench import Model, Shapes, Split, Stages, Trial
from ticketbench.engine.bench import Bench
from ticketbench.engine.stack import Stack
from ticketbench.engine.trial import MemberTrial
from ticketbench.testing import Blobs, bench_for
from ticketbench_methods.obs import OptimalBrainSurgeon


@dataclass(frozen=True)
class Given(Model):
    """A network that the test made."""

    name = "given"
    summary = "a network for tests"

    layers: nn.Module = nn.Identity()  # noqa: RUF009

    def build(self, shapes: Shapes) -> nn.Module:
        """As it is."""
        return self.layers


def trial_with(layers: nn.Module, examples: Split, density: float, task: Blobs) -> Trial:
    """A trial of a network in float64 with its own examples."""
    bench = bench_for(OptimalBrainSurgeon(), None, density, (0,))
    model = Given(layers=copy.deepcopy(layers).float())
    cast = replace(bench.casts[0], model=model, stages=Stages(task, task, {"": task}))
    bench = Bench(bench.cells, [cast], torch.device("cpu"))
    parameters = {name: part.detach().double() for name, part in layers.named_parameters()}
    buffers = {name: part.clone() for name, part in layers.named_buffers()}
    bench.stack = Stack.of([(parameters, buffers)], bench.stage.network.prunable)
    bench.stage.data.train = examples
    assert bench.stage.work  # counted once, in float32
    bench.stage.network.module.double()
    return MemberTrial(bench, 0)
