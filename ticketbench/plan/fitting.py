"""Whether what a plan puts together goes together: a model and a task, a density and a model, a metric and a task."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from ticketbench.errors import OptionError, SuiteError, TicketbenchError, suggest
from ticketbench.masks.scopes import kept_count
from ticketbench.plan.cell import Cell
from ticketbench.plan.count import Size, module_size
from ticketbench.plan.metrics import metrics_without_data
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Model, Stages, Task
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import Suite

RARE = 0.01
"""Densities below this may leave nothing of a network."""


def fitting_size(model: Model, task: Task) -> Size:
    """The size of a model that is built for a task; an `OptionError` names both where it cannot be or takes no inputs.

    Built and led through on the meta device: nothing is allocated.
    """
    shapes = task.shapes()
    try:
        with torch.device("meta"):
            module = model.build(shapes)
        size = module_size(model, module)
        with torch.no_grad():
            module.float().eval()(torch.zeros((1, *shapes.inputs), device="meta"))
    except Exception as error:
        words = str(error) if isinstance(error, TicketbenchError) else f"{type(error).__name__}: {first_line(error)}"
        raise OptionError(
            f"model '{model.name}' does not fit task '{task.name}', whose examples are of shape {shapes.inputs} with "
            f"{shapes.outputs} outputs: {words}"
        ) from error
    return size


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return next(iter(str(error).strip().splitlines()), "")


def check_some_left(cells: Iterable[Cell], resolver: Resolver) -> None:
    """Every density leaves a weight at least, or an `OptionError` says which is the least of that model."""
    rarest: dict[int, Cell] = {}
    for cell in cells:
        if cell.density < RARE and cell.density < rarest.setdefault(id(cell.setting), cell).density:
            rarest[id(cell.setting)] = cell
    for cell in rarest.values():
        cast = resolver.cast(cell.setting)
        check_left(cell.density, fitting_size(cast.model, cast.stages.draw_on).prunable_total, cast.model.name)


def check_left(density: float, total: int, model: str) -> None:
    """A density leaves one of so many weights at least."""
    if total and not kept_count(density, total):
        raise OptionError(
            f"density {density:g} leaves none of the {total:,} weights of model '{model}' that may be pruned. The "
            f"least density that leaves one is {rounded_up(0.5 / total):g}"
        )


def rounded_up(number: float) -> float:
    """A number to three digits, no smaller than it was."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 2)
    return float(f"{math.ceil(number / unit) * unit:.3g}")


def check_metric(suite: Suite, name: str, stages: Stages, recipe: Recipe, resolver: Resolver, where: str) -> None:
    """The tasks that the headline of a task is of compute its metric, or a `SuiteError` names the metrics there are.

    A task whose metrics cannot be seen without its data is not asked: its cells fail when they are judged.
    """
    metric, read_from = suite.headline_of(name).metric, [next(iter(stages.judge_on.values()))]
    key = f"headlines.{name}" if name in suite.headlines else "headline"
    if recipe.select == "best":
        read_from += [stages.draw_on, stages.train_on]
    for task in read_from:
        known = metrics_known(task, resolver)
        if known is not None and metric not in known:
            raise SuiteError(
                f"{where}: task '{task.name}' does not compute the metric '{metric}' of [{key}]. "
                f"{suggest(metric, known)}"
            )


def metrics_known(task: Task, resolver: Resolver) -> set[str] | None:
    """The metrics of a task, found once; None where they cannot be seen without its data."""
    key = ("metrics", task.name, repr(task))
    if key not in resolver.known:
        resolver.known[key] = metrics_without_data(task)
    found = resolver.known[key]
    return found if isinstance(found, set) else None
