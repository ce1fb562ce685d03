"""Measures: numbers derived from a cell's record and from one of its curves.

A curve gives a metric over x: test iterations, training steps, densities. "Reaching" a level means the first
reported x whose value is at least the level (at most, where lower is better); between reported points nothing is
interpolated, so the result is exact to the distance of the points only. None stands for "there is no such number".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ticketbench.figures import Aspect

Unit = Literal["metric", "x", "count", "seconds", "share"]


@dataclass(frozen=True)
class Curve:
    """A metric over x, in the order of x."""

    name: str
    """What x is."""
    x: tuple[float, ...]
    values: tuple[float, ...]
    higher_is_better: bool = True

    def at(self, x: float) -> float | None:
        """The value reported at x."""
        return next((value for known, value in zip(self.x, self.values, strict=True) if known == x), None)

    def best(self) -> float | None:
        """The best value; what is not finite is never the best."""
        sound = [value for value in self.values if math.isfinite(value)]
        if not sound:
            return None
        return max(sound) if self.higher_is_better else min(sound)

    def last(self) -> float | None:
        """The value at the last x."""
        return self.values[-1] if self.values else None

    def mean(self) -> float | None:
        """The mean over all reported x."""
        return math.fsum(self.values) / len(self.values) if self.values else None

    def reach(self, level: float) -> float | None:
        """The first x whose value reaches the level."""
        points = zip(self.x, self.values, strict=True)
        if self.higher_is_better:
            return next((x for x, value in points if value >= level), None)
        return next((x for x, value in points if value <= level), None)

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


def training_budget(record: Mapping[str, Any], x_name: str) -> float | None:
    """The model's option of the name of x: a network that sweeps "iterations" is trained at its `iterations`."""
    _, _, options = str(record.get("model") or "").partition(" ")
    budget = json.loads(options or "{}").get(x_name)
    return float(budget) if isinstance(budget, (int, float)) and not isinstance(budget, bool) else None


def at_budget(curve: Curve, record: Mapping[str, Any]) -> float | None:
    """The value at the budget of training."""
    budget = training_budget(record, curve.name)
    return None if budget is None else curve.at(budget)


def flops_to(curve: Curve, record: Mapping[str, Any], level: float) -> float | None:
    """FLOPs of one forward pass at the x that reaches a level.

    The record's FLOPs are of one forward at the training budget, on an example of the training task. They are
    scaled by reached / training budget, as if all work were repeated: projection and head, which run once, count
    with every iteration, so the number is a little too high above the training budget and too low below it.
    """
    budget, reached, flops = training_budget(record, curve.name), curve.reach(level), record.get("flops")
    return None if not budget or reached is None or flops is None else float(flops) * reached / budget


COLUMNS: dict[str, Unit] = {
    "headline": "metric",
    "parameters": "count",
    "flops": "count",
    "exact_density": "share",
    "draw_seconds": "seconds",
    "train_seconds": "seconds",
    "train_steps": "count",
    "peak_memory": "count",
}
"""Measures that stand in the record."""

Derive = Callable[[Curve, Mapping[str, Any], Aspect], float | None]

DERIVED: dict[str, tuple[Unit, Derive]] = {
    "value": ("metric", lambda curve, record, aspect: curve.at(given(aspect.x))),
    "best": ("metric", lambda curve, record, aspect: curve.best()),
    "last": ("metric", lambda curve, record, aspect: curve.last()),
    "mean": ("metric", lambda curve, record, aspect: curve.mean()),
    "at_budget": ("metric", lambda curve, record, aspect: at_budget(curve, record)),
    "overthinking": ("metric", lambda curve, record, aspect: curve.overthinking()),
    "x_to": ("x", lambda curve, record, aspect: curve.reach(given(aspect.level))),
    "rise": ("x", lambda curve, record, aspect: curve.rise(given(aspect.from_level), given(aspect.level))),
    "reaches": ("share", lambda curve, record, aspect: float(curve.reach(given(aspect.level)) is not None)),
    "flops_to": ("count", lambda curve, record, aspect: flops_to(curve, record, given(aspect.level))),
    "parameters_to": (
        "count",
        lambda curve, record, aspect: None if curve.reach(given(aspect.level)) is None else record.get("parameters"),
    ),
}
"""Measures that are derived from a curve."""


def given(value: float | None) -> float:
    """A number that the suite file's checks saw to."""
    assert value is not None
    return value


def unit_of(name: str) -> Unit:
    """What a measure counts in."""
    return COLUMNS[name] if name in COLUMNS else DERIVED[name][0]


def measured(aspect: Aspect, record: Mapping[str, Any], curve: Curve | None) -> float | None:
    """The number of one cell that an aspect asks for, or None where there is none."""
    name = aspect.measure or "headline"
    if name in COLUMNS:
        value = record.get(name)
    elif curve is None:
        return None
    else:
        value = DERIVED[name][1](curve, record, aspect)
    return float(value) if value is not None and math.isfinite(value) else None
