"""What a step costs where nothing is general: an MLP of many members, written by hand, in one CUDA graph.

Gather of each member's batch, stacked products, masked gradients, and torch's fused Adam over the stacked weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.machine import REHEARSED, Machine

SIZES = (784, 300, 100, 10)
WARM_STEPS = 3
STEPS_A_GRAPH = 16
ORDERS = 1_024
"""Batches of a member that lie on the device; they are read round and round."""


class Floor:
    """A fleet of MLPs with all that a step reads and writes."""

    def __init__(self, machine: Machine, fleet: int, batch: int, examples: int, sizes: tuple[int, ...] = SIZES) -> None:
        device, source = machine.device, torch.Generator().manual_seed(0)
        self.machine = machine
        self.fleet = fleet
        self.inputs = torch.rand(examples, sizes[0], generator=source).to(device)
        self.targets = torch.randint(0, sizes[-1], (examples,), generator=source).to(device)
        self.rows = torch.randint(0, examples, (ORDERS, fleet, batch), generator=source).to(device)
        self.at = torch.zeros(1, dtype=torch.int64, device=device)
        self.total = torch.zeros(fleet, device=device)
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for before, after in pairwise(sizes):
            weight = torch.randn(fleet, before, after, generator=source) * (2 / (before + after)) ** 0.5
            self.weights.append(weight.to(device).requires_grad_())
            self.biases.append(torch.zeros(fleet, 1, after, device=device, requires_grad=True))
        self.masks = [torch.ones_like(weight) for weight in self.weights]
        self.optimizer = torch.optim.Adam(
            [*self.weights, *self.biases], lr=1.2e-3, fused=True, capturable=device.type == "cuda"
        )

    def step(self) -> None:
        """One step of every member."""
        index = self.rows.index_select(0, self.at).flatten()
        hidden = self.inputs.index_select(0, index).view(self.fleet, -1, self.inputs.shape[1])
        targets = self.targets.index_select(0, index)
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = hidden if number == last else hidden.relu()
        losses = functional.cross_entropy(hidden.flatten(0, 1), targets, reduction="none").view(self.fleet, -1).mean(1)
        gradients = torch.autograd.grad(losses.sum(), [*self.weights, *self.biases])
        torch._foreach_mul_(list(gradients[: len(self.masks)]), self.masks)
        for parameter, gradient in zip((*self.weights, *self.biases), gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.total += losses.detach()
        self.at.add_(1).remainder_(ORDERS)

    def microseconds(self, seconds: float) -> float:
        """Of a step, replayed back to back for so long."""
        several = self.recorded()
        seconds = min(seconds, REHEARSED) if self.machine.rehearsal else seconds
        several()
        self.machine.wait()
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                several()
            self.machine.wait()
            steps += 10 * STEPS_A_GRAPH
        return 1e6 * (time.perf_counter() - start) / steps

    def recorded(self) -> Callable[[], None]:
        """So many steps as one thing to call."""
        if self.machine.device.type != "cuda":
            return self.several
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_STEPS):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.several()
        return graph.replay

    def several(self) -> None:
        """As many steps as a graph has."""
        for _ in range(STEPS_A_GRAPH):
            self.step()
