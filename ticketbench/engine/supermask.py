"""Training masks in place of weights: the weights are frozen, and what is trained are scores, one a prunable weight.

With scores s and frozen weights w the network computes with w ⊙ h(|s|), where h is 1 at the best |s| of a scope and
0 elsewhere, and is taken for the identity on the way back: ∂L/∂s = ∂L/∂(w ⊙ h) · w · sign(s). Whatever is not
prunable stays as it is, statistics of the forward excepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ticketbench.engine.course import Course
from ticketbench.engine.data import TaskData
from ticketbench.engine.network import Network
from ticketbench.engine.replay import Recorder
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State
from ticketbench.engine.stepper import Stepper
from ticketbench.errors import TicketError
from ticketbench.masks.scopes import allocate, kept_count
from ticketbench.seeds import generator
from ticketbench.suite.recipe import Recipe


@dataclass(frozen=True)
class Pool:
    """Layers that are ranked together, and how many of their weights each member keeps."""

    names: tuple[str, ...]
    counts_f1: Tensor
    groups: tuple[tuple[int, Tensor], ...]
    """Each of the counts, on the host, and the members that have it."""


class StraightThrough(torch.autograd.Function):
    """The weights that a mask keeps, as if the mask were what it was ranked by."""

    @staticmethod
    def forward(ctx: Any, sizes: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        """w where the mask is, 0 elsewhere."""
        ctx.save_for_backward(weights)
        return weights.where(mask, 0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """∂L/∂|s| = ∂L/∂(w ⊙ h) · w, at the places that the mask drops, too."""
        (weights,) = ctx.saved_tensors
        return gradient * weights, None, None


def straight_through(sizes: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    """The weights under a mask, with a gradient to the scores: `StraightThrough` as a function."""
    kept: Tensor = StraightThrough.apply(sizes, weights, mask)  # type: ignore[no-untyped-call]
    return kept


class MaskStepper:
    """Moves scores along their gradient; the stack has the frozen weights under the mask that the scores give."""

    def __init__(
        self,
        network: Network,
        stack: Stack,
        recipe: Recipe,
        scores: Stack,
        pools: Sequence[Pool],
        home: tuple[Supermasks, Sequence[int]] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.network = network
        self.stack = stack
        self.recipe = recipe
        self.scores = scores
        """Scores as parameters, frozen weights as buffers, and as masks the weights that may be kept."""
        self.pools = pools
        self.home = home
        """Where stack and scores were copied from, and which members they are; None if they are no copies."""
        self.moved = scores
        self.steps = Stepper(
            network, scores, recipe, losses=self.losses_of_scores, recorder=recorder, held_beside=self.held
        )

    @property
    def stride(self) -> int:
        """How many steps there are between two places for a pause, at most."""
        return self.steps.stride

    @property
    def how(self) -> str:
        """How steps are computed, for the record."""
        return self.steps.how

    def enter(self, data: TaskData, courses: Sequence[Course | None]) -> None:
        """Take up the members' courses; what moves along them are the scores."""
        if any(course is not None and course.average is not None for course in courses):
            raise TicketError("where masks are trained, no average of the weights' gradient is kept: drop `average`")
        self.steps.enter(data, courses)

    def refresh(self) -> None:
        """Take up optimizer states of the scores that changed since the last step."""
        self.steps.refresh()

    def run(self, count: int) -> None:
        """So many steps of everyone who has a course."""
        self.steps.run(count)
        self._took(count)

    def held(self) -> list[Tensor]:
        """What the losses of scores are computed from beside the scores."""
        states = (self.stack.parameters, self.stack.buffers, self.stack.carried, self.scores.buffers, self.scores.masks)
        found = [tensor.detach() for state in states for tensor in state.values()]
        for pool in self.pools:
            found += [pool.counts_f1, *(members for _, members in pool.groups)]
        return found

    def took(self, steps: int) -> None:
        """Note steps of everyone who has a course, or of all where nobody has one."""
        self.steps.took(steps)
        self._took(steps)

    def _took(self, steps: int) -> None:
        courses = self.steps.courses
        for member in range(len(self.stack)):
            if not courses or courses[member] is not None:
                self.stack.steps[member] += steps
                self.stack.updates[member] += steps

    def step(
        self,
        inputs: Tensor,
        targets: Tensor,
        learning_rate: float,
        call: Mapping[str, Any],
        drawn: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """One step of every member's scores on its own batch; returns the losses before it."""
        return self.steps.step(inputs, targets, learning_rate, call, drawn)

    def close(self) -> None:
        """Let go of graphs and threads."""
        self.steps.close()

    def seen(self) -> State:
        """The stacked parameters as the forward sees them when they are judged."""
        return self.stack.parameters

    def losses_of_scores(
        self,
        scores: State,
        frozen_weights: State,
        inputs: Tensor,
        targets: Tensor,
        call: Mapping[str, Any],
        *chance: Tensor,
    ) -> Tensor:
        """Each member's loss as a function of its scores."""
        kept = self.best()
        chosen = {
            name: straight_through(scores[name].abs(), weights, kept[name])
            for name, weights in self.scores.buffers.items()
        }
        frozen = {name: tensor.detach() for name, tensor in self.stack.parameters.items() if name not in chosen}
        buffers = {**self.stack.buffers, **self.stack.carried}
        return self.network.losses({**frozen, **chosen}, buffers, inputs, targets, call, *chance)

    @torch.no_grad()
    def best(self) -> State:
        """The masks that the scores give, with a leading fleet axis."""
        masks: State = {}
        for pool in self.pools:
            scores = {name: self.scores.parameters[name] for name in pool.names}
            sizes = [score.abs().masked_fill(~self.scores.masks[name], -1).flatten(1) for name, score in scores.items()]
            parts = torch.split(top(torch.cat(sizes, dim=1), pool), [part.shape[1] for part in sizes], dim=1)
            masks |= {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}
        return masks

    def settle(self) -> None:
        """Give the stack the mask that the steps have led to."""
        masks = self.best()
        for member in range(len(self.stack)):
            self.stack.set_mask(member, {name: mask[member] for name, mask in masks.items()})
        with torch.no_grad():
            for name, weights in self.scores.buffers.items():
                self.stack.parameters[name].copy_(weights.where(masks[name], 0))
        if self.home is not None:
            self.home[0].put(self.home[1], self.scores, masks)


class Supermasks:
    """The scores of a fleet. A member's last as long as its training of masks goes on; then others are drawn.

    They are drawn by PyTorch's Kaiming-uniform rule with a = √5, U(±1/√fan_in). Only weights that are left when a
    training of masks begins may be kept by it; it begins with a fresh optimizer, whatever was trained before.
    """

    def __init__(self, stack: Stack, seeds: Sequence[int]) -> None:
        self.stack = stack
        self.seeds = seeds
        shapes = {name: stack.parameters[name].detach() for name in stack.masks}
        self.scores = Stack(
            {name: torch.zeros_like(weight).requires_grad_(True) for name, weight in shapes.items()},
            {name: torch.zeros_like(weight) for name, weight in shapes.items()},
            {name: torch.zeros_like(mask) for name, mask in stack.masks.items()},
            list(stack.steps),
            [-1] * len(stack),
        )
        self.kept = [-1] * len(stack)
        """How many weights each member's present training of masks keeps."""
        self._whole: tuple[str, MaskStepper] | None = None

    def stepper(
        self,
        network: Network,
        recipe: Recipe,
        members: Sequence[int],
        scope: str,
        densities: Sequence[float],
        recorder: Callable[[], Recorder] | None = None,
    ) -> tuple[MaskStepper, Stack]:
        """A stepper for some members at their densities: on the whole stack in place, or on a copy of a part."""
        for member in members:
            if not self.goes_on(member):
                self.begin(member)
        total = sum(mask[0].numel() for mask in self.stack.masks.values())
        for member, density in zip(members, densities, strict=True):
            self.kept[member] = kept_count(density, total)
        kept = [self.kept[member] for member in members]
        if list(members) == list(range(len(self.stack))):
            form = f"{scope} {kept}"
            if self._whole is None or self._whole[0] != form:
                self.close()
                pools = pools_of(self.scores.masks, scope, kept)
                fresh = None if recorder is None else recorder()
                made = MaskStepper(network, self.stack, recipe, self.scores, pools, recorder=fresh)
                self._whole = form, made
            return self._whole[1], self.stack
        part, scores = self.stack.take(members), self.scores.take(members)
        pools = pools_of(scores.masks, scope, kept)
        return MaskStepper(network, part, recipe, scores, pools, (self, members)), part

    def close(self) -> None:
        """Let go of what the stepper of the whole fleet holds."""
        if self._whole is not None:
            self._whole[1].close()
            self._whole = None

    def goes_on(self, member: int) -> bool:
        """Whether a member's scores are those of its present training: nothing has changed what they left."""
        masks, weights = self.stack.mask(member), self.stack.weights(member)
        return (
            self.scores.updates[member] == self.stack.updates[member]
            and sum(int(mask.sum()) for mask in masks.values()) == self.kept[member]
            and all(
                weights[name].equal(self.scores.buffers[name][member].where(mask, 0)) for name, mask in masks.items()
            )
        )

    def begin(self, member: int) -> None:
        """Freeze a member's present weights and draw its scores."""
        self.stack.restart(member, self.stack.steps[member])
        self.scores.restart(member, self.stack.steps[member])
        self.close()
        source = generator(self.seeds[member], "scores of masks")
        for name, scores in self.scores.weights(member).items():
            self.scores.buffers[name][member].copy_(self.stack.parameters[name].detach()[member])
            self.scores.masks[name][member].copy_(self.stack.masks[name][member])
            drawn = torch.empty(scores.shape, dtype=scores.dtype)
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=source)
            scores.copy_(drawn.to(scores.device).where(self.stack.masks[name][member], 0))

    def put(self, members: Sequence[int], scores: Stack, masks: State) -> None:
        """Take back the scores and the masks of a part; its weights are put back as after any training."""
        self.scores.put(members, scores)
        for name, mask in masks.items():
            self.stack.masks[name][list(members)] = mask


def pools_of(left: Mapping[str, Tensor], scope: str, kept: Sequence[int]) -> list[Pool]:
    """What is ranked together in a scope, of the weights that are left to each member."""
    alive = [{name: int(mask[member].sum()) for name, mask in left.items()} for member in range(len(kept))]
    for count, sizes in zip(kept, alive, strict=True):
        if count > sum(sizes.values()):
            raise TicketError(f"cannot train masks that keep {count} weights: {sum(sizes.values())} are left")
    if scope == "global":
        return [pool_of(tuple(left), kept, left)]
    shapes = {name: tuple(mask.shape[1:]) for name, mask in left.items()}
    each = [allocate(scope, shapes, count, sizes) for count, sizes in zip(kept, alive, strict=True)]
    return [pool_of((name,), [counts[name] for counts in each], left) for name in left]


def pool_of(names: tuple[str, ...], counts: Sequence[int], left: Mapping[str, Tensor]) -> Pool:
    """A pool of some layers, its counts on their device."""
    counts_f1 = torch.tensor(counts, device=left[names[0]].device).unsqueeze(1)
    groups = ((count, (counts_f1 == count).flatten().nonzero().flatten()) for count in sorted(set(counts)))
    return Pool(names, counts_f1, tuple(groups))


def top(sizes_fn: Tensor, pool: Pool) -> Tensor:
    """The largest of each row, exactly as many as its count, ties by lower index; nothing waits for the device."""
    threshold_f1 = sizes_fn.new_empty(len(sizes_fn), 1)
    for count, members in pool.groups:
        rank = sizes_fn.shape[1] + 1 - max(1, count)
        threshold_f1[members] = sizes_fn[members].kthvalue(rank, dim=1, keepdim=True).values
    above, ties = sizes_fn > threshold_f1, sizes_fn == threshold_f1
    free_f1 = pool.counts_f1 - above.sum(dim=1, keepdim=True)
    return above | (ties & (ties.cumsum(dim=1) <= free_f1))
