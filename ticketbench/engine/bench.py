"""The bench a fleet works at: its stack, network, data and recipe; where networks are built and judged."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import torch
from torch import Tensor, nn

from ticketbench.engine.data import TaskData, placed
from ticketbench.engine.judge import Scores, evaluate
from ticketbench.engine.network import Network, State, member_of, states_of
from ticketbench.engine.stack import Snapshot, Stack
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.supermask import Supermasks
from ticketbench.errors import SuiteError
from ticketbench.plan.cell import Cell
from ticketbench.plan.count import BACKWARD, Work, module_work
from ticketbench.plan.fresh import fresh_module
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Adaptation, Split, Task
from ticketbench.seeds import generator
from ticketbench.suite.recipe import Recipe
from ticketbench.units.compaction import Cuts, expanded


@dataclass(frozen=True)
class Report:
    """A network that waits to be judged."""

    member: int
    density: float
    parameters: State
    buffers: State
    final: bool = False
    """Whether it is the cell's own result, and not a point on the way to it."""


@dataclass(frozen=True)
class Offer:
    """A ticket drawn on the way that waits to be trained elsewhere."""

    member: int
    density: float
    mask: State
    start: Snapshot


class Bench:
    """What the members of a fleet share."""

    def __init__(self, cells: Sequence[Cell], casts: Sequence[Cast], device: torch.device) -> None:
        self.cells = cells
        self.casts = casts
        self.device = device
        self.stages = casts[0].stages
        self.recipe: Recipe = casts[0].changed_recipe(self.stages.draw_recipe)
        self.waiting: list[Report] = []
        self.offers: list[Offer] = []
        self.cuts: list[Cuts] = []
        """What was taken out of each member, once units were removed."""
        self.ahead = self.stages_ahead()
        self.data = self.data_of(self.stages.draw_on)
        self._tests: dict[str, Split] = {}
        self._whole: Stepper | None = None
        self._offered: list[tuple[Offer, tuple[State, State], Sequence[str]]] = []
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
        modules = [self.fresh(member, task) for member in range(len(self.cells))]
        return modules[-1], [states_of(module) for module in modules]

    def fresh(self, member: int, task: Task, stream: str = "") -> nn.Module:
        """A member's network as its initializer draws it, on the device."""
        return fresh_module(self.cells[member], self.casts[member], task, stream).to(self.device)

    def network_of(self, module: nn.Module, task: Task) -> Network:
        """The fleet's network for a task."""
        return Network(self.casts[0].model, module, task, self.cells[0].setting.precision)

    def initialize_again(self, member: int, stream: str = "") -> None:
        """Let a sparse-aware initializer act now that the member's mask is known."""
        cast, cell = self.casts[member], self.cells[member]
        module = copy.deepcopy(self.network.module).cpu()
        mask = {name: part.cpu() for name, part in self.stack.mask(member).items()}
        own, weights = dict(module.named_parameters()), self.stack.weights(member)
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)
            cast.initializer.initialize(module, mask, generator(cell.seed, f"initializer after mask{stream}"))
            for name, weight in weights.items():
                weight.copy_(own[name].where(mask[name], 0) if name in mask else own[name])

    def reinitialize(self, member: int, stream: str) -> None:
        """Draw all of a member's weights anew, under its present mask, with a fresh optimizer at step 0."""
        weights, buffers = states_of(self.fresh(member, self.data.task, stream))
        self.stack.rewind(member, Snapshot(weights, buffers, 0))

    def module_of(self, member: int) -> nn.Module:
        """A copy of a member's network as an ordinary module."""
        module = copy.deepcopy(self.network.module)
        states = {**self.stack.weights(member), **member_of(self.stack.buffers, member)}
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for name, tensor in states.items():
                own[name].copy_(tensor)
        return module

    @cached_property
    def work(self) -> Work:
        """What one forward pass of the network costs on the task at hand."""
        return module_work(self.network.module, self.data.task.shapes().inputs, {})

    def flops(self, mask: Mapping[str, Tensor], examples: int) -> float:
        """FLOPs of a forward and a backward pass over so many examples under a mask."""
        densities = {name: float(part.float().mean()) for name, part in mask.items()}
        return BACKWARD * examples * self.work.flops(densities)

    def stages_ahead(self) -> list[Adaptation]:
        """What comes after drawing: training elsewhere, if the protocol says so, and an adaptation, if it has one."""
        train = Adaptation(self.stages.train_on, self.stages.recipe, self.stages.fresh)
        ahead = [train] if self.stages.trains_elsewhere else []
        return ahead + ([self.stages.adapt] if self.stages.adapt else [])

    def move_on(self) -> None:
        """To the next stage: another task, recipe, and perhaps another head.

        Parameters of the same name and shape keep their values and masks; others are new and dense.
        """
        old, stage = self.stack, self.ahead.pop(0)
        self.recipe = self.casts[0].changed_recipe(stage.recipe)
        self.data = self.data_of(stage.task)
        module, members = self.build(stage.task)
        self.use(module, stage.task)
        for pattern in stage.fresh:
            if not any(fnmatchcase(name, pattern) for name in (*members[0][0], *members[0][1])):
                known = ", ".join(members[0][0])
                raise SuiteError(f"the protocol starts '{pattern}' anew, which no parameter's name matches: {known}")
        carried = [
            (old.weights(member), member_of(old.buffers, member), old.mask(member)) for member in range(len(members))
        ]
        self.stack = self.carried(members, carried, stage.fresh)
        self._offered = [(offer, members[offer.member], stage.fresh) for offer in self.offers]
        self.offers = []

    def full_size(self, member: int, state: State) -> State:
        """A member's tensors in the shapes of the model, zero where units were removed."""
        return expanded(state, self.cuts[member]) if self.cuts else state

    def use(self, module: nn.Module, task: Task) -> None:
        """From here on the fleet has another network; its stack is to follow."""
        self.network = self.network_of(module, task)
        self._whole = None
        self.__dict__.pop("work", None)
        self.__dict__.pop("supermasks", None)

    def carried(
        self,
        fresh: Sequence[tuple[State, State]],
        carried: Sequence[tuple[State, State, State]],
        patterns: Sequence[str],
    ) -> Stack:
        """A stack of fresh members that take over weights, statistics and masks where names and shapes agree."""
        stack = Stack.of(fresh, self.network.prunable)
        for member, (weights, buffers, masks) in enumerate(carried):
            for mine, theirs in ((stack.weights(member), weights), (member_of(stack.buffers, member), buffers)):
                for name, tensor in mine.items():
                    anew = any(fnmatchcase(name, pattern) for pattern in patterns)
                    if not anew and name in theirs and theirs[name].shape == tensor.shape:
                        tensor.copy_(theirs[name])
            own = stack.mask(member)
            fitting = {name: mask for name, mask in masks.items() if name in own and own[name].shape == mask.shape}
            stack.set_mask(member, {**own, **fitting})
        return stack

    def offered(self) -> Iterator[tuple[list[Offer], Stepper, Stack]]:
        """The tickets that were offered while drawing, as stacks no larger than the fleet, at the stage at hand."""
        waiting, self._offered = self._offered, []
        for at in range(0, len(waiting), len(self.stack)):
            offers, fresh, patterns = zip(*waiting[at : at + len(self.stack)], strict=True)
            carried = [(offer.start.weights, offer.start.buffers, offer.mask) for offer in offers]
            stack = self.carried(fresh, carried, patterns[0])
            yield list(offers), Stepper(self.network, stack, self.recipe), stack

    @cached_property
    def supermasks(self) -> Supermasks:
        """The scores of members whose masks are trained."""
        return Supermasks(self.stack, [cell.seed for cell in self.cells])

    def stepper(
        self, members: Sequence[int], masks: str = "", densities: Sequence[float] = ()
    ) -> tuple[Stepper, Stack]:
        """A stepper for some members: on the whole stack in place, or on a copy of a part.

        Of their weights, or, where `masks` names a scope, of masks in it at each member's density.
        """
        if masks:
            return self.supermasks.stepper(self.network, self.recipe, members, masks, densities)
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

    def report(self, member: int, density: float, final: bool = False) -> None:
        """Put a copy of a member's network in the queue of those to be judged.

        Where the protocol trains elsewhere, networks trained for drawing are no result and are not judged.
        """
        if final or not self.stages.trains_elsewhere:
            self.waiting.append(Report(member, density, *self.stack.judged(member), final))

    def offer(self, member: int, density: float) -> bool:
        """Keep a member's present ticket to be trained where the protocol trains, if that is elsewhere."""
        if self.stages.trains_elsewhere:
            self.offers.append(Offer(member, density, self.stack.mask(member), self.stack.snapshot(member)))
        return self.stages.trains_elsewhere

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
                self._tests[label] = placed(task, task.test(), self.device)
            network = Network(self.network.model, self.network.module, task, self.network.precision)
            found[label] = evaluate(
                network, stacked[0], stacked[1], self._tests[label], self.recipe.judge_batch, self.sweep
            )
        return [(report, {label: found[label][at] for label in found}) for at, report in enumerate(reports)]

    def show(self, report: Report) -> None:
        """Put the network that was judged in its place in the stack, for those who look at it afterwards."""
        for mine, theirs in ((self.stack.weights(report.member), report.parameters),
                             (member_of(self.stack.buffers, report.member), report.buffers)):  # fmt: skip
            for name, tensor in mine.items():
                tensor.copy_(theirs[name])

    def judged_on(self) -> tuple[Task, Split]:
        """The task that the headline was judged on, and its test split."""
        label, task = next(iter(self.stages.judge_on.items()))
        return task, self._tests[label]

    @property
    def sweep(self) -> tuple[int, ...]:
        """The budgets to judge at, if the model has a sweep."""
        return self.stages.sweep if self.network.model.sweeps else ()


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
