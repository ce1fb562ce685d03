"""The bench a fleet works at: its cells, the stage where it stands, and its stack."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from ticketbench.engine.course import Course
from ticketbench.engine.judge import Candidate, Judge
from ticketbench.engine.memories import Memories
from ticketbench.engine.offers import Arrived, Offer
from ticketbench.engine.precision import exact
from ticketbench.engine.regimes import seen
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.stack import Stack
from ticketbench.engine.stage import Stage
from ticketbench.engine.state import State, cloned, member_of, states_of
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.steppers import Recording, Steppers
from ticketbench.errors import SuiteError
from ticketbench.kernels.presence import kernel_way
from ticketbench.plan.cell import Cell
from ticketbench.plan.fresh import fresh_module
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Adaptation, Task
from ticketbench.plugin.trial import Snapshot
from ticketbench.seeds import generator, seed_of
from ticketbench.suite.recipe import Recipe
from ticketbench.units.compaction import Cuts, expanded

Carried = tuple[State, State, State]
"""Weights, statistics and mask of a network that moves on."""


class Bench:
    """What the members of a fleet share: a seat in the stack for each, and what stands around it."""

    def __init__(
        self, cells: Sequence[Cell], casts: Sequence[Cast], device: torch.device, recording: Recording | None = None
    ) -> None:
        self.cells = list(cells)
        """The cell at each seat."""
        self.casts = list(casts)
        self.device = device
        self.recording = recording
        self.stages = casts[0].stages
        self.judge = Judge(self.stages, device)
        self.cuts: list[Cuts] = []
        """What was taken out of each member, once units were removed."""
        self.offers: list[Offer] = []
        self.arrived: list[Arrived] = []
        self.memories = Memories(len(cells))
        """What mask rules hold of each member."""
        self.fresh_patterns: Sequence[str] = ()
        """Parameters that the stage at hand started anew."""
        self.ahead = self.stages_ahead()
        self.passed = 0
        """How many stages the fleet has left behind."""
        self.shrunk: dict[str, Any] | None = None
        """What the networks were made smaller from, once units were removed, where checkpoints are made."""
        self.moved_on = False
        """Whether the fleet has left its first stage, or its networks their first shapes."""
        self.recipes = self.recipes_with(self.stages.draw_recipe)
        """Every member's recipe at the stage at hand."""
        module, members = self.build(self.stages.draw_on)
        self.stage = self.stage_at(self.stages.draw_on, module)
        self.stack = Stack.of(members, self.stage.network.prunable)
        self.steppers = self.steppers_for(self.stage, self.stack)

    def recipes_with(self, changes: Mapping[str, Any]) -> list[Recipe]:
        """Every member's recipe with the changes that a stage makes."""
        return [cast.changed_recipe(changes) for cast in self.casts]

    def steppers_for(self, stage: Stage, stack: Stack) -> Steppers:
        """The steppers of a stack that all members are in."""
        return Steppers(stage, stack, [cell.seed for cell in self.cells], self.recording)

    def use(self, stage: Stage, stack: Stack) -> None:
        """From here on the fleet stands at this stage, with this stack."""
        self.close()
        self.moved_on = True
        self.stage = stage
        self.stack = stack
        self.steppers = self.steppers_for(stage, stack)

    def take_in(self, seat: int, cell: Cell, cast: Cast) -> None:
        """Another cell at a seat that has become free, freshly initialized, with everything dense."""
        if self.moved_on:
            raise SuiteError("a fleet that has moved on takes no other cells in")
        self.cells[seat], self.casts[seat] = cell, cast
        self.recipes[seat] = cast.changed_recipe(self.stages.draw_recipe)
        self.steppers.seeds[seat] = cell.seed
        self.memories.forget(seat)
        full = {name: torch.ones_like(mask) for name, mask in self.stack.mask(seat).items()}
        self.stack.set_mask(seat, full)
        weights, buffers = states_of(self.fresh(seat, self.stage.data.task))
        self.stack.rewind(seat, Snapshot(weights, buffers, 0))

    def close(self) -> None:
        """Let go of what is held for steps to come."""
        self.steppers.close()

    # -- networks ------------------------------------------------------------------------------------------

    def stage_at(self, task: Task, module: nn.Module) -> Stage:
        """The stage where this fleet trains on a task: its data, the network to stack, and what its recipes share."""
        shared = next((recipe for recipe in self.recipes if recipe.select == "best"), self.recipes[0])
        setting = self.cells[0].setting
        return Stage.of(task, shared, self.casts[0].model, module, setting.precision, self.device, setting.engine)

    def build(self, task: Task) -> tuple[nn.Module, list[tuple[State, State]]]:
        """A module for its forward, and every member's freshly initialized parameters and buffers."""
        modules = [self.fresh(member, task) for member in range(len(self.cells))]
        return modules[-1], [states_of(module) for module in modules]

    def fresh(self, member: int, task: Task, stream: str = "") -> nn.Module:
        """A member's network as its initializer draws it, on the device."""
        with exact():
            return fresh_module(self.cells[member], self.casts[member], task, stream).to(self.device)

    def initialize_again(self, member: int, stream: str = "") -> None:
        """Let a sparse-aware initializer act now that the member's mask is known."""
        cast, cell = self.casts[member], self.cells[member]
        module = copy.deepcopy(self.stage.network.module).cpu()
        mask = {name: part.cpu() for name, part in self.stack.mask(member).items()}
        own, weights = dict(module.named_parameters()), self.stack.weights(member)
        with torch.no_grad(), exact():
            for name, weight in weights.items():
                own[name].copy_(weight)
            cast.initializer.initialize(module, mask, generator(cell.seed, f"initializer after mask{stream}"))
            for name, weight in weights.items():
                weight.copy_(own[name].where(mask[name], 0) if name in mask else own[name])

    def reinitialize(self, member: int, stream: str) -> None:
        """Draw all of a member's weights anew, under its present mask, with a fresh optimizer at step 0."""
        weights, buffers = states_of(self.fresh(member, self.stage.data.task, stream))
        self.stack.rewind(member, Snapshot(weights, buffers, 0))

    def module_of(self, member: int) -> nn.Module:
        """A copy of a member's network as an ordinary module."""
        module = copy.deepcopy(self.stage.network.module)
        states = {**seen(self.stack, member), **member_of(self.stack.buffers, member)}
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for name, tensor in states.items():
                own[name].copy_(tensor)
        return module

    def fold(self, member: int) -> None:
        """A regime is over: the weights that the forward saw become the weights."""
        if self.stack.regimes[member] is not None:
            self.stack.fold(member, cloned(seen(self.stack, member)))

    def best_or_present(self, member: int) -> tuple[State, State]:
        """Copies of the weights and statistics to judge: the best validated, else the present ones."""
        return self.stack.judged(member, seen(self.stack, member))

    def full_size(self, member: int, state: State) -> State:
        """A member's tensors in the shapes of the model, zero where units were removed."""
        return expanded(state, self.cuts[member]) if self.cuts else state

    # -- from stage to stage -------------------------------------------------------------------------------

    def stages_ahead(self) -> list[Adaptation]:
        """What comes after drawing: training elsewhere, if the protocol says so, and an adaptation, if it has one."""
        train = Adaptation(self.stages.train_on, self.stages.recipe, self.stages.fresh)
        ahead = [train] if self.stages.trains_elsewhere else []
        return ahead + ([self.stages.adapt] if self.stages.adapt else [])

    def move_on(self) -> None:
        """To the next stage: another task, recipe, and perhaps another head.

        Parameters of the same name and shape keep their values and masks; others are new and dense.
        """
        old, ahead = self.stack, self.ahead.pop(0)
        module, members = self.build(ahead.task)
        self.recipes = self.recipes_with(ahead.recipe)
        stage = self.stage_at(ahead.task, module)
        for pattern in ahead.fresh:
            if not any(fnmatchcase(name, pattern) for name in (*members[0][0], *members[0][1])):
                known = ", ".join(members[0][0])
                raise SuiteError(f"the protocol starts '{pattern}' anew, which no parameter's name matches: {known}")
        carried = [
            (old.weights(member), member_of(old.buffers, member), old.mask(member)) for member in range(len(members))
        ]
        self.fresh_patterns = ahead.fresh
        self.passed += 1
        self.use(stage, carried_over(members, carried, ahead.fresh, stage.network.prunable))
        self.arrived = [Arrived(offer, members[offer.member]) for offer in self.offers]
        self.offers = []

    def offer(self, member: int, density: float) -> bool:
        """Keep a member's present ticket to be trained where the protocol trains, if that is elsewhere."""
        if self.stages.trains_elsewhere:
            start = replace(self.stack.snapshot(member), weights=cloned(seen(self.stack, member)))
            self.offers.append(Offer(member, density, self.stack.mask(member), start))
        return self.stages.trains_elsewhere

    def course(self, member: int, order: int = 0, until: int | None = None) -> Course:
        """The whole schedule of a member at the stage at hand, or up to a step of it."""
        data, recipe = self.stage.data, self.recipes[member]
        end = recipe.total_steps(len(data.train)) if until is None else until
        seed = order_seed(self.cells[member].seed, order)
        return Course(recipe, len(data.train), seed, end, validates=len(data.validation) > 0)

    def take_offers(self) -> Iterator[tuple[list[Offer], Stepper | SparseStepper]]:
        """The tickets that were offered while drawing, as stacks no larger than the fleet, at the stage at hand."""
        waiting, self.arrived = self.arrived, []
        form, network, recipe = self.stage.network.sparse, self.stage.network, self.stage.recipe
        sparse = [form is not None and form.is_sparse(densities(one.offer.mask)) for one in waiting]
        for kind in (False, True):
            mine = [one for one, is_sparse in zip(waiting, sparse, strict=True) if is_sparse == kind]
            for at in range(0, len(mine), len(self.stack)):
                part = mine[at : at + len(self.stack)]
                offers = [one.offer for one in part]
                carried = [(offer.start.weights, offer.start.buffers, offer.mask) for offer in offers]
                stack = carried_over([one.fresh for one in part], carried, self.fresh_patterns, network.prunable)
                if kind and form is not None:
                    yield offers, SparseStepper(form, network, stack, recipe)
                else:
                    yield offers, Stepper(network, stack, recipe)

    # -- judging -------------------------------------------------------------------------------------------

    def report(self, member: int, density: float, final: bool = False) -> None:
        """Hand a copy of a member's network to the judge.

        Where the protocol trains elsewhere, networks trained for drawing are no result and are not judged.
        """
        if final or not self.stages.trains_elsewhere:
            self.judge.take(Candidate(member, density, *self.best_or_present(member), final))

    def show(self, candidate: Candidate) -> None:
        """Put the network that was judged in its seat in the stack, for those who look at it afterwards."""
        buffers = member_of(self.stack.buffers, candidate.member)
        for mine, theirs in (
            (self.stack.weights(candidate.member), candidate.parameters),
            (buffers, candidate.buffers),
        ):
            for name, tensor in mine.items():
                tensor.copy_(theirs[name])

    def engine(self, densely: bool = True, sparsely: bool = False) -> str:
        """How a member was computed, for the record: its steps with all weights, at its live ones, or both."""
        ways = [self.stage.network.engine(len(self.stack)), self.steppers.how] if densely or not sparsely else []
        ways += ["sparse"] if sparsely else []
        ways += [kernel_way(self.device)] if self.device.type == "cuda" else []
        return "+".join(way for way in ways if way)


def densities(mask: Mapping[str, Tensor]) -> dict[str, float]:
    """The share of each weight that a mask keeps."""
    return {name: float(part.float().mean()) for name, part in mask.items()}


def order_seed(seed: int, order: int) -> int:
    """What the order of a training's examples is drawn from."""
    return seed if not order else seed_of(seed, "another order", order)


def carried_over(
    fresh: Sequence[tuple[State, State]],
    carried: Sequence[Carried],
    patterns: Sequence[str],
    prunable: Sequence[str],
) -> Stack:
    """A stack of fresh members that take over weights, statistics and masks where names and shapes agree."""
    stack = Stack.of(fresh, prunable)
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


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
