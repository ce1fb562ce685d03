"""The bench a fleet works at: its stack, network, data and recipe; where networks are built and judged."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from ticketbench.cell import Cell
from ticketbench.contracts import Adaptation, Split, Task
from ticketbench.data import TaskData
from ticketbench.errors import SuiteError
from ticketbench.fleet import Stack
from ticketbench.judge import Scores, evaluate
from ticketbench.network import Network, State
from ticketbench.recipe import Recipe
from ticketbench.resolve import Cast
from ticketbench.seeds import generator, seed_of
from ticketbench.stepper import Stepper


@dataclass(frozen=True)
class Report:
    """A network that waits to be judged."""

    member: int
    density: float
    parameters: State
    buffers: State


class Bench:
    """What the members of a fleet share."""

    def __init__(self, cells: Sequence[Cell], casts: Sequence[Cast], device: torch.device) -> None:
        self.cells = cells
        self.casts = casts
        self.device = device
        self.stages = casts[0].stages
        self.recipe: Recipe = casts[0].recipe
        self.waiting: list[Report] = []
        self.ahead = self.stages_ahead()
        self.data = self.data_of(self.stages.draw_on)
        self._tests: dict[str, Split] = {}
        self._whole: Stepper | None = None
        module, members = self.build(self.stages.draw_on)
        self.network = self.network_of(module, self.stages.draw_on)
        self.stack = Stack.of(members, self.network.prunable)

    def data_of(self, task: Task) -> TaskData:
        """A task's training data, with a validation split if the recipe needs one."""
        data = TaskData(task, self.device)
        if self.recipe.select == "best" and not len(data.validation):
            raise SuiteError(f"the recipe selects the best validation, but task '{task.name}' has no validation split")
        return data

    def build(self, task: Task) -> tuple[nn.Module, list[tuple[State, State]]]:
        """A module for its forward, and every member's freshly initialized parameters and buffers."""
        members = []
        for cell, cast in zip(self.cells, self.casts, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(cell.seed, "initialization"))
                module = cast.model.build(task.shapes())
            parameters = dict(module.named_parameters())
            mask = {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in cast.model.prunable(module)}
            with torch.no_grad():
                cast.initializer.initialize(module, mask, generator(cell.seed, "initializer"))
            module = module.to(self.device)
            trainable = {name: part.detach() for name, part in module.named_parameters() if part.requires_grad}
            fixed = {name: part.detach() for name, part in module.named_parameters() if not part.requires_grad}
            fixed |= {name: part.detach() for name, part in module.named_buffers()}
            members.append((trainable, fixed))
        return module, members

    def network_of(self, module: nn.Module, task: Task) -> Network:
        """The fleet's network for a task."""
        return Network(self.casts[0].model, module, task, self.cells[0].setting.precision)

    def initialize_again(self, member: int) -> None:
        """Let a sparse-aware initializer act now that the member's mask is known."""
        cast, cell = self.casts[member], self.cells[member]
        module = copy.deepcopy(self.network.module).cpu()
        mask = {name: part.cpu() for name, part in self.stack.mask(member).items()}
        own, weights = dict(module.named_parameters()), self.stack.weights(member)
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)
            cast.initializer.initialize(module, mask, generator(cell.seed, "initializer after mask"))
            for name, weight in weights.items():
                weight.copy_(own[name].where(mask[name], 0) if name in mask else own[name])

    @property
    def trains_elsewhere(self) -> bool:
        """Whether training is another stage than drawing."""
        return self.stages.draw_on != self.stages.train_on or bool(self.stages.recipe)

    def stages_ahead(self) -> list[Adaptation]:
        """What comes after drawing: training elsewhere, if the protocol says so, and an adaptation, if it has one."""
        ahead = [Adaptation(self.stages.train_on, self.stages.recipe)] if self.trains_elsewhere else []
        return ahead + ([self.stages.adapt] if self.stages.adapt else [])

    def move_on(self) -> None:
        """To the next stage: another task, recipe, and perhaps another head.

        Parameters of the same name and shape keep their values and masks; others are new and dense.
        """
        old, stage = self.stack, self.ahead.pop(0)
        self.recipe = self.casts[0].changed_recipe(stage.recipe)
        self.data = self.data_of(stage.task)
        module, members = self.build(stage.task)
        self.network = self.network_of(module, stage.task)
        self.stack = Stack.of(members, self.network.prunable)
        self._whole = None
        with torch.no_grad():
            for mine, theirs in ((self.stack.parameters, old.parameters), (self.stack.buffers, old.buffers)):
                for name, tensor in mine.items():
                    fresh = any(fnmatchcase(name, pattern) for pattern in stage.fresh)
                    if not fresh and name in theirs and theirs[name].shape == tensor.shape:
                        tensor.copy_(theirs[name])
        for name, mask in self.stack.masks.items():
            if name in old.masks and old.masks[name].shape == mask.shape:
                mask.copy_(old.masks[name])
                self.stack.parameters[name].detach().masked_fill_(~mask, 0)

    def stepper(self, members: Sequence[int]) -> tuple[Stepper, Stack]:
        """A stepper for some members: on the whole stack in place, or on a copy of a part."""
        if list(members) == list(range(len(self.stack))):
            if self._whole is None:
                self._whole = Stepper(self.network, self.stack, self.recipe)
            return self._whole, self.stack
        part = self.stack.take(members)
        return Stepper(self.network, part, self.recipe), part

    def engine(self) -> str:
        """How the fleet was computed, for the record."""
        how = self._whole.how if self._whole is not None else ""
        return self.network.engine(len(self.stack)) + (f"+{how}" if how else "")

    def report(self, member: int, density: float) -> None:
        """Put a copy of a member's network in the queue of those to be judged."""
        self.waiting.append(Report(member, density, *self.stack.judged(member)))

    def judge(self) -> list[tuple[Report, dict[str, dict[str, list[float]]]]]:
        """Judge everything in the queue: (report, label -> metric -> values over the sweep)."""
        reports, self.waiting = self.waiting, []
        if not reports:
            return []
        stacked = [
            {name: torch.stack([report[name] for report in side]) for name in side[0]}
            for side in ([r.parameters for r in reports], [r.buffers for r in reports])
        ]
        found: dict[str, Scores] = {}
        for label, task in self.stages.judge_on.items():
            if label not in self._tests:
                self._tests[label] = task.test().to(self.device)
            network = Network(self.network.model, self.network.module, task, self.network.precision)
            found[label] = evaluate(
                network, stacked[0], stacked[1], self._tests[label], self.recipe.judge_batch, self.sweep
            )
        return [(report, {label: found[label][at] for label in found}) for at, report in enumerate(reports)]

    @property
    def sweep(self) -> tuple[int, ...]:
        """The budgets to judge at, if the model has a sweep."""
        return self.stages.sweep if self.network.model.sweeps else ()


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
