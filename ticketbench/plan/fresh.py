"""A cell's network as its initializer draws it."""

from __future__ import annotations

import torch
from torch import nn

from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Task
from ticketbench.seeds import generator, seed_of


def fresh_module(cell: Cell, cast: Cast, task: Task, stream: str = "") -> nn.Module:
    """A cell's network as its initializer draws it; another stream of random numbers draws another one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(cell.seed, f"initialization{stream}"))
        module = cast.model.build(task.shapes())
    parameters = dict(module.named_parameters())
    mask = {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in cast.model.prunable(module)}
    with torch.no_grad():
        cast.initializer.initialize(module, mask, generator(cell.seed, f"initializer{stream}"))
    return module
