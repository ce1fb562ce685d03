"""The steppers of a fleet at one stage: for all of its members in place, or for some on a copy."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench.engine.stack import Stack
from ticketbench.engine.stage import Stage
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.supermask import MaskStepper, Supermasks
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.request import Train


class Steppers:
    """Makes steppers, and keeps the one for the whole fleet: a captured step is worth keeping."""

    def __init__(self, stage: Stage, stack: Stack, seeds: Sequence[int]) -> None:
        self.stage = stage
        self.stack = stack
        self.seeds = seeds
        self._whole: Stepper | None = None
        self._supermasks: Supermasks | None = None

    @property
    def supermasks(self) -> Supermasks:
        """The scores of members whose masks are trained."""
        if self._supermasks is None:
            self._supermasks = Supermasks(self.stack, self.seeds)
        return self._supermasks

    @property
    def how(self) -> str:
        """How steps of the whole fleet were computed, for the record."""
        return self._whole.how if self._whole is not None else ""

    def for_members(self, members: Sequence[int], requests: Sequence[Train]) -> tuple[Stepper | MaskStepper, Stack]:
        """A stepper for members that ask for the same, and the stack that it moves: the fleet's, or a copy of a part.

        Of their weights, or, where the requests name a scope, of masks in it at each member's density.
        """
        network, recipe, first = self.stage.network, self.stage.recipe, requests[0]
        regime = self.stack.regimes[members[0]]
        if first.masks:
            densities = [request.density for request in requests]
            return self.supermasks.stepper(network, recipe, members, first.masks, densities)
        if list(members) != list(range(len(self.stack))):
            part = self.stack.take(members)
            return Stepper(network, part, recipe, regime=regime), part
        if self._whole is None or not self._fits(self._whole, regime):
            self._whole = Stepper(network, self.stack, recipe, regime=regime)
        return self._whole, self.stack

    def _fits(self, stepper: Stepper, regime: Regime | None) -> bool:
        if stepper.regime is None or regime is None:
            return stepper.regime is None and regime is None
        extras = stepper.trained[len(stepper.weights) :]
        now = [extra for _, extra in stepper.beside()]  # others, where a regime has ended and begun again
        same = len(now) == len(extras) and all(one is other for one, other in zip(now, extras, strict=True))
        return stepper.regime.regime is regime and stepper.regime.keys == self.stack.extra_keys(regime) and same
