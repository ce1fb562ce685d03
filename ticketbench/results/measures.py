"""Measures: numbers derived from a cell's record and from one of its curves.

A curve gives a metric over x: test iterations, training steps, densities. "Reaching" a level means the first
reported x whose value is at least the level (at most, where lower is better). Over densities it means the smallest
one whose value is, with all larger ones too: how far one can prune before the level is lost. Between reported points
nothing is interpolated, so the result is exact to the distance of the points only. A density is met by the nearest
reported one within 1 %: a suite file says 0.069 where the curve has 0.8 ** 12 rounded to a whole weight. Any other x
is met exactly. None stands for "there is no such number".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ticketbench.store.column import Unit
from ticketbench.store.schema import CellRecord
from ticketbench.suite.measures import COLUMNS, MEASURES, PROBE
from ticketbench.suite.paper import Aspect

DENSITY = "density"
"""The name of x of a curve over densities."""
NOTHING: Mapping[str, float] = {}
NEAR = 0.01
"""The relative distance within which two densities are the same."""


def nearest(known: Sequence[float], density: float) -> float | None:
    """The density that is meant: the nearest of those known, within 1 %."""
    found = min(known, key=lambda one: abs(one - density), default=None)
    return found if found is not None and abs(found - density) <= NEAR * density else None


@dataclass(frozen=True)
class Curve:
    """A metric over x, in the order of x."""

    name: str
    """What x is."""
    x: tuple[float, ...]
    values: tuple[float, ...]
    higher_is_better: bool = True
    held: bool = False
    """Whether a value holds until the next x."""

    def at(self, x: float) -> float | None:
        """The value at x: the one reported there, or, where values hold, the last one before; None where none is."""
        if self.held:
            before = [known for known in self.x if known <= x]
            place = before[-1] if before and x <= self.x[-1] else None
        else:
            place = nearest(self.x, x) if self.name == DENSITY else x
        return next((value for known, value in zip(self.x, self.values, strict=True) if known == place), None)

    def best(self) -> float | None:
        """The best value; what is not finite is never the best."""
        sound = [value for value in self.values if math.isfinite(value)]
        if not sound:
            return None
        return max(sound) if self.higher_is_better else min(sound)

    def last(self) -> float | None:
        """The value at the last x; over densities, at the sparsest."""
        points = self.onward()
        return points[-1][1] if points else None

    def mean(self) -> float | None:
        """The mean of the values over all reported x; None for a curve without points."""
        return math.fsum(self.values) / len(self.values) if self.values else None

    def meets(self, value: float, level: float) -> bool:
        """Whether a value is at least as good as a level."""
        return value >= level if self.higher_is_better else value <= level

    def reach(self, level: float) -> float | None:
        """The first x whose value reaches the level; over densities, the last down to which it is never lost."""
        if self.name == DENSITY:
            return self.kept_to(level)
        return next((x for x, value in zip(self.x, self.values, strict=True) if self.meets(value, level)), None)

    def kept_to(self, level: float) -> float | None:
        """The last x, from the densest or from the first on, up to which no value is worse than the level."""
        found = None
        for x, value in self.onward():
            if not self.meets(value, level):
                break
            found = x
        return found

    def holds_to(self, loss: float) -> float | None:
        """The last x up to which every value stays within a loss of the first one (over densities, the densest)."""
        first = next((value for _, value in self.onward()), None)
        if first is None:
            return None
        return self.kept_to(first - loss if self.higher_is_better else first + loss)

    def onward(self) -> list[tuple[float, float]]:
        """The points (x, value) in the order in which things happen: densities fall, everything else grows."""
        points = list(zip(self.x, self.values, strict=True))
        return points[::-1] if self.name == DENSITY else points

    def rise(self, start: float, level: float) -> float | None:
        """How much x goes by from reaching one level to reaching another."""
        first, second = self.reach(start), self.reach(level)
        return None if first is None or second is None else second - first

    def overthinking(self) -> float | None:
        """How much worse the last value is than the best: best − last (last − best, where lower is better)."""
        best, last = self.best(), self.last()
        if best is None or last is None:
            return None
        return best - last if self.higher_is_better else last - best


def training_budget(record: CellRecord, x_name: str) -> float | None:
    """The model's option of the name of x: a network that sweeps "iterations" is trained at its `iterations`."""
    _, _, options = record.model.partition(" ")
    budget = json.loads(options or "{}").get(x_name)
    return float(budget) if isinstance(budget, (int, float)) and not isinstance(budget, bool) else None


def at_budget(curve: Curve, record: CellRecord) -> float | None:
    """The value at the budget of training."""
    budget = training_budget(record, curve.name)
    return None if budget is None else curve.at(budget)


def flops_to(curve: Curve, record: CellRecord, level: float) -> float | None:
    """FLOPs of one forward pass at the x that reaches a level.

    The record's FLOPs are of one forward at the training budget, on an example of the training task. They are
    scaled by reached / training budget, as if all work were repeated: projection and head, which run once, count
    with every iteration, so the number is a little too high above the training budget and too low below it.
    """
    budget, reached = training_budget(record, curve.name), curve.reach(level)
    return None if not budget or reached is None or record.flops is None else record.flops * reached / budget


Derive = Callable[[Curve, CellRecord, Aspect], float | None]

DERIVE: dict[str, Derive] = {
    "value": lambda curve, record, aspect: curve.at(given(aspect.x)),
    "best": lambda curve, record, aspect: curve.best(),
    "last": lambda curve, record, aspect: curve.last(),
    "mean": lambda curve, record, aspect: curve.mean(),
    "at_budget": lambda curve, record, aspect: at_budget(curve, record),
    "overthinking": lambda curve, record, aspect: curve.overthinking(),
    "x_to": lambda curve, record, aspect: curve.reach(given(aspect.level)),
    "holds_to": lambda curve, record, aspect: curve.holds_to(given(aspect.level)),
    "rise": lambda curve, record, aspect: curve.rise(given(aspect.from_level), given(aspect.level)),
    "reaches": lambda curve, record, aspect: float(curve.reach(given(aspect.level)) is not None),
    "flops_to": lambda curve, record, aspect: flops_to(curve, record, given(aspect.level)),
    "parameters_to": lambda curve, record, aspect: (
        None if curve.reach(given(aspect.level)) is None else record.parameters
    ),
}
"""Measure -> how it is derived from a curve."""


def given(value: float | None) -> float:
    """A number that the suite file's checks saw to."""
    assert value is not None
    return value


def unit_of(name: str, x_name: str = "") -> Unit:
    """What a measure counts in, on a curve over some x."""
    unit = MEASURES[name].unit
    return "density" if unit == "x" and x_name == DENSITY else unit


def measured(
    aspect: Aspect, record: CellRecord, curve: Curve | None, probes: Mapping[str, float] = NOTHING
) -> float | None:
    """The number of one cell that an aspect asks for, or None where there is none."""
    name = aspect.measure or "headline"
    if name == PROBE:
        value = probes.get(aspect.probe or "")
    elif name in COLUMNS:
        value = getattr(record, name)
    else:
        value = None if curve is None else DERIVE[name](curve, record, aspect)
    return float(value) if value is not None and math.isfinite(value) else None
