"""A stage of a fleet's life: a task, its data, a recipe, and the network that is trained there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ticketbench.engine.data import TaskData
from ticketbench.engine.network import Network
from ticketbench.errors import SuiteError
from ticketbench.plan.count import BACKWARD, Work, module_work
from ticketbench.plugin.contracts import Model, Task
from ticketbench.suite.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """Where a fleet stands. It does not change: whoever moves on, or makes the network smaller, has another one."""

    data: TaskData
    recipe: Recipe
    network: Network

    @classmethod
    def of(
        cls,
        task: Task,
        recipe: Recipe,
        model: Model,
        module: nn.Module,
        precision: str,
        device: torch.device,
        engine: str = "full",
    ) -> Stage:
        """A stage on a task, which must have a validation split if the recipe selects by it."""
        data = TaskData(task, device)
        if recipe.select == "best" and not len(data.validation):
            raise SuiteError(f"the recipe selects the best validation, but task '{task.name}' has no validation split")
        return cls(data, recipe, Network(model, module, task, precision, engine))

    def with_module(self, module: nn.Module) -> Stage:
        """The same stage for a network of other shapes."""
        engine = "full" if self.network.sparse is None else "sparse"
        network = Network(self.network.model, module, self.network.task, self.network.precision, engine)
        return Stage(self.data, self.recipe, network)

    @property
    def total_steps(self) -> int:
        """How many steps one training takes."""
        return self.recipe.total_steps(len(self.data.train))

    @cached_property
    def work(self) -> Work:
        """What one forward pass of the network costs on the stage's task."""
        return module_work(self.network.module, self.data.task.shapes().inputs, {})

    def flops_of_members(self, masks: Mapping[str, Tensor], examples: int) -> list[float]:
        """`flops` of every row of stacked masks, with one wait for the device."""
        shares = [mask.flatten(1).sum(1, dtype=torch.int32).float() / mask[0].numel() for mask in masks.values()]
        rows = torch.stack(shares, dim=1).tolist()
        return [BACKWARD * examples * self.work.flops(dict(zip(masks, row, strict=True))) for row in rows]

    def flops(self, mask: Mapping[str, Tensor], examples: int) -> float:
        """FLOPs of a forward and a backward pass over so many examples under a mask."""
        densities = {name: float(part.float().mean()) for name, part in mask.items()}
        return BACKWARD * examples * self.work.flops(densities)
