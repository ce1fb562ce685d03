"""The steppers of a fleet at one stage: for all of its members in place, or for some on a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ticketbench.engine.accelerate import Compiled, compile_pays
from ticketbench.engine.course import Course
from ticketbench.engine.replay import Recorder
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.stack import Stack
from ticketbench.engine.stage import Stage
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.supermask import MaskStepper, Supermasks
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.request import Train

Recording = Callable[[], Recorder]
"""Makes a recorder for a stepper."""


class Steppers:
    """Makes steppers, and keeps the one for the whole fleet: what it has recorded is worth keeping."""

    def __init__(self, stage: Stage, stack: Stack, seeds: Sequence[int], recording: Recording | None = None) -> None:
        self.stage = stage
        self.stack = stack
        self.seeds = list(seeds)
        """Of each seat's cell."""
        self.recording = recording if recording is not None and stage.network.keywords.replayable else None
        """How steps are recorded; None where they are launched one by one."""
        self._whole: Stepper | None = None
        self._how = ""
        self._supermasks: Supermasks | None = None
        self._sparse: SparseStepper | None = None

    def is_sparse(self, seat: int, request: Train) -> bool:
        """Whether a member's training is computed at its live weights: a plain one, of a network that has few left."""
        form = self.stage.network.sparse
        if form is None or request.masks or request.average is not None or self.stack.regimes[seat] is not None:
            return False
        return form.is_sparse({name: float(mask[seat].float().mean()) for name, mask in self.stack.masks.items()})

    @property
    def supermasks(self) -> Supermasks:
        """The scores of members whose masks are trained."""
        if self._supermasks is None:
            self._supermasks = Supermasks(self.stack, self.seeds)
        return self._supermasks

    @property
    def known_supermasks(self) -> Supermasks | None:
        """The same, if there were any."""
        return self._supermasks

    @property
    def how(self) -> str:
        """How steps of the whole fleet were computed, for the record."""
        return self._whole.how if self._whole is not None else self._how

    def for_members(
        self, members: Sequence[int], requests: Sequence[Train], courses: Sequence[Course]
    ) -> tuple[Stepper | MaskStepper | SparseStepper, list[Course | None], bool]:
        """A stepper for members that are trained in the same way, the courses of its stack, and whether it is a copy.

        Of their weights, or, where the requests name a scope, of masks in it at each member's density.
        """
        network, recipe, first = self.stage.network, self.stage.recipe, requests[0]
        regime = self.stack.regimes[members[0]]
        everyone = list(members) == list(range(len(self.stack)))
        given: list[Course | None] = list(courses)
        at = dict(zip(members, courses, strict=True))
        if all(self.is_sparse(seat, request) for seat, request in zip(members, requests, strict=True)):
            return self.sparse_stepper(everyone), [at.get(seat) for seat in range(len(self.stack))], False
        if first.masks:
            densities = [request.density for request in requests]
            made = self.supermasks.stepper(network, recipe, members, first.masks, densities, self.recording)
            return made[0], given, not everyone
        if not everyone and (self.recording is None or regime is not None):
            return Stepper(network, self.stack.take(members), recipe, regime), given, True
        if self._whole is None or not self._fits(self._whole, regime):
            self.let_go()
            recorder = None if self.recording is None else self.recording()
            self._whole = Stepper(network, self.stack, recipe, regime, self._losses(courses), recorder)
        return self._whole, [at.get(seat) for seat in range(len(self.stack))], False

    def sparse_stepper(self, everyone: bool) -> SparseStepper:
        """The stepper at live weights, which keeps them from training to training."""
        form = self.stage.network.sparse
        assert form is not None
        if everyone:
            self.let_go()
        if self._sparse is None:
            self._sparse = SparseStepper(form, self.stage.network, self.stack, self.stage.recipe)
        return self._sparse

    def _losses(self, courses: Sequence[Course]) -> Callable[..., Tensor]:
        """The losses of all members, compiled where that pays for the longest of their courses."""
        network, data = self.stage.network, self.stage.data
        full = {name: torch.ones_like(mask[0]) for name, mask in self.stack.masks.items()}
        examples = max(course.total for course in courses) * self.stage.recipe.batch * len(self.stack)
        pays = self.recording is not None and compile_pays(network, data.device, self.stage.flops(full, examples))
        return Compiled(network.losses) if pays else network.losses

    def let_go(self) -> None:
        """Let go of what the stepper of the whole fleet holds: graphs, threads, tables."""
        if self._whole is not None:
            self._how = self._whole.how
            self._whole.close()
            self._whole = None

    def close(self) -> None:
        """The fleet is somewhere else, or at its end."""
        self.let_go()
        if self._sparse is not None:
            self._sparse.close()
        if self._supermasks is not None:
            self._supermasks.close()

    def _fits(self, stepper: Stepper, regime: Regime | None) -> bool:
        if stepper.regime is None or regime is None:
            return stepper.regime is None and regime is None
        extras = [part.tensor for part in stepper.parts if not part.decays]
        keys = stepper.regime.keys
        trained = [keys[name] for name in stepper.regime.trained]
        now = [self.stack.extras[key] for key in trained if key in self.stack.extras]  # others, if it began again
        same = len(now) == len(extras) and all(one is other for one, other in zip(now, extras, strict=True))
        return stepper.regime.regime is regime and keys == self.stack.extra_keys(regime) and same
