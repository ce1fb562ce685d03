"""On CUDA: a training step compiled and captured as a graph, so that small networks do not wait for launches.

A step is first computed eagerly a few times, then captured for each form of the forward's keywords, then replayed
on buffers that stay where they are. Whatever cannot be compiled or captured is computed eagerly, and
`how` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ticketbench.plugin.calls import form_of

WARM_STEPS = 3
MOST_GRAPHS = 64
"""Forms of the keywords that are captured; further ones (a progressive loss has hundreds) are computed eagerly."""

StepFunction = Callable[[Tensor, Tensor, Mapping[str, Any], Mapping[str, Tensor]], Tensor]


@dataclass
class Captured:
    """A graph and the buffers it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Tensor
    targets: Tensor
    keywords: Mapping[str, Tensor]
    """The keywords of the forward that are tensors."""
    drawn: Mapping[str, Tensor]
    """What models and regimes draw at random."""
    losses: Tensor


class Graphs:
    """Replays a step from CUDA graphs, one for each form of the keywords."""

    def __init__(self, step: StepFunction) -> None:
        self.step = step
        self.seen: Counter[str] = Counter()
        self.captured: dict[str, Captured] = {}
        self.pool: Any = None
        self.how = "graph"

    def __call__(self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any], drawn: Mapping[str, Tensor]) -> Tensor:
        """One step: replayed if it was captured, captured if it is warm, eager otherwise."""
        form = f"{form_of(call)} {form_of(drawn)} {tuple(inputs.shape)} {tuple(targets.shape)}"
        self.seen[form] += 1
        known = self.captured.get(form)
        if known is None:
            room = len(self.captured) < MOST_GRAPHS and self.how == "graph"
            if self.seen[form] <= WARM_STEPS or not room:
                return self.step(inputs, targets, call, drawn)
            known = self.capture(inputs, targets, call, drawn)
            if known is None:
                return self.step(inputs, targets, call, drawn)
            self.captured[form] = known
        known.inputs.copy_(inputs)
        known.targets.copy_(targets)
        for mine, given in ((known.keywords, call), (known.drawn, drawn)):
            for name, value in mine.items():
                value.copy_(given[name])
        known.graph.replay()
        return known.losses.clone()

    def capture(
        self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any], drawn: Mapping[str, Tensor]
    ) -> Captured | None:
        """Record a step without computing it; None, with the reason in `how`, where that fails."""
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        own_inputs, own_targets = inputs.clone(), targets.clone()
        keywords = {name: value.clone() for name, value in call.items() if isinstance(value, Tensor)}
        own_drawn = {name: value.clone() for name, value in drawn.items()}
        try:
            with torch.cuda.graph(graph, pool=self.pool):
                losses = self.step(own_inputs, own_targets, {**call, **keywords}, own_drawn)
        except RuntimeError as error:
            self.how = f"eager ({str(error).splitlines()[0]})"
            return None
        return Captured(graph, own_inputs, own_targets, keywords, own_drawn, losses)


class Compiled:
    """A function compiled by torch, or the function itself where compiling fails."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function = function
        self.compiled: Callable[..., Tensor] = torch.compile(function, dynamic=False)
        self.how = "compile"

    def __call__(self, *values: Any) -> Tensor:
        """The function's value."""
        if self.how == "compile":
            try:
                return self.compiled(*values)
            except (torch.OutOfMemoryError, MemoryError):
                raise
            except Exception as error:  # the compiler has no common base for what it cannot do
                self.how = f"eager ({type(error).__name__})"
        return self.function(*values)
