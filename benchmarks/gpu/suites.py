"""Cells of suites, and fleets of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.gpu.stand_ins import StandInResolver
from ticketbench.plan.cell import Cell, Choice, make_cell
from ticketbench.plan.plan import Fleet, Plan, Room, find_suite, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Headline

SUITES = ("init", "lth", "gradflow", "drn", "rnn")
SHOWN = ("width", "hidden", "iterations", "ticket", "optimizer", "alpha")
"""Options that tell the things of a suite apart."""


@dataclass(frozen=True)
class Tier:
    """The cells of a tier of a suite, and what makes objects of them."""

    plan: Plan
    resolver: StandInResolver

    def headline(self, cell: Cell) -> Headline:
        """What a cell is compared by."""
        return self.plan.suite.headline_of(cell.setting.task.name)

    def fleets(self, cells: Iterable[Cell] | None = None, room: Room | None = None) -> list[Fleet]:
        """The tier's cells, or some of them, as a run would put them together on one worker with a GPU."""
        return self.plan.fleets(self.plan.cells if cells is None else cells, "cuda", 1, 0, room)

    def settings(self) -> list[list[Cell]]:
        """The cells that differ in density and seed alone."""
        groups: dict[int, list[Cell]] = {}
        for cell in self.plan.cells:
            groups.setdefault(id(cell.setting), []).append(cell)
        return list(groups.values())

    def steps(self, cell: Cell) -> float:
        """The training steps that a cell takes, drawing included."""
        cast = self.resolver.cast(cell.setting)
        trainings = cast.method.trainings(cell.density)
        if cast.stages.trains_elsewhere:  # what is drawn on the way is trained there, too
            trainings += max(0.0, trainings - 1)
        return trainings * cast.recipe.total_steps(cast.stages.train_on.sizes().train)


def tier_of(suite: str, tier: str, plugins: Plugins, resolver: StandInResolver, precision: str = "") -> Tier:
    """A tier of a registered suite, in the precision that it has on CUDA unless another is given."""
    return Tier(make_plan(find_suite(suite, plugins), tier, plugins, None, "cuda", precision), resolver)


def with_recipe(cells: Sequence[Cell], **changes: Any) -> list[Cell]:
    """The cells under a changed recipe, with keys of their own; cells of one setting still share it."""
    made: dict[int, tuple[Any, str]] = {}
    for cell in cells:
        if id(cell.setting) not in made:
            recipe = json.dumps({**json.loads(cell.setting.recipe), **changes})
            setting = replace(cell.setting, recipe=recipe)
            made[id(cell.setting)] = (setting, setting.text())
    return [make_cell(*made[id(cell.setting)], cell.density, cell.seed) for cell in cells]


def named(cells: Sequence[Cell]) -> str:
    """Some cells of one model and task, for a table."""
    setting = cells[0].setting
    rows = list(dict.fromkeys(cell.setting.row for cell in cells))
    return f"{setting.task.name}, {label(setting.model)}: {', '.join(rows[:3])}{', …' if rows[3:] else ''}"


def label(choice: Choice) -> str:
    """A choice with the options that tell it apart, in short.

    >>> from ticketbench.plan.cell import Choice
    >>> label(Choice("net", '{"hidden":400,"norm":"none","recall":true}'))
    'net (hidden 400)'
    """
    options = json.loads(choice.options)
    told = [
        f"{name} {value}"
        for name, value in options.items()
        if isinstance(value, int | str) and not isinstance(value, bool) and name in SHOWN
    ]
    return choice.name + (f" ({', '.join(told)})" if told else "")
