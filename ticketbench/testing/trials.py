"""Trials and finished cells for tests: of parts that the author names, or of the cells of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Initializer, Method, Model, Probe, Scorer, Stages, Task
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import Headline
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.fleet import bench_of, bench_of_cells, led, outcome_of, trial_at
from ticketbench.testing.networks import Tiny
from ticketbench.testing.outcome import Outcome
from ticketbench.testing.parts import RECIPE, AsBuilt, Parts, Untrained

if TYPE_CHECKING:
    from ticketbench import Trial


def trial_for(
    scorer: Scorer | None = None,
    *,
    method: Method | None = None,
    model: Model | None = None,
    task: Task | None = None,
    initializer: Initializer | None = None,
    recipe: Recipe = RECIPE,
    density: float = 0.5,
    seed: int = 0,
) -> Trial:
    """A trial at its initialization. What is not given is small: a network of 90 weights on three blobs of points.

    >>> trial = trial_for(density=0.2, seed=3)
    >>> {name: tuple(weight.shape) for name, weight in trial.weights.items()}
    {'0.weight': (10, 6), '3.weight': (3, 10)}
    """
    parts = Parts(
        method or Untrained(), scorer, model or Tiny(), task or Blobs(), initializer or AsBuilt(), recipe=recipe
    )
    return trial_at(bench_of(parts, (density,), (seed,)))


def run_method(
    method: Method,
    scorer: Scorer | None = None,
    *,
    model: Model | None = None,
    task: Task | None = None,
    initializer: Initializer | None = None,
    probes: Sequence[Probe] = (),
    stages: Stages | None = None,
    recipe: Recipe = RECIPE,
    densities: Sequence[float] = (0.5,),
    seeds: Sequence[int] = (0,),
    headline: Headline | str = "accuracy",
) -> list[Outcome]:
    """Cells of a method, led to their end as one fleet: a cell for every density and, within it, every seed.

    >>> first, second = run_method(Untrained(), densities=(1.0,), seeds=(0, 1))
    >>> first.status, first.steps, second.seed
    ('ok', 40, 1)
    """
    parts = Parts(
        method, scorer, model or Tiny(), task or Blobs(), initializer or AsBuilt(), tuple(probes), recipe, stages
    )
    goal = Headline(metric=headline) if isinstance(headline, str) else headline
    return [outcome_of(member) for member in led(bench_of(parts, densities, seeds), goal)]


def train(
    model: Model,
    task: Task | None = None,
    *,
    initializer: Initializer | None = None,
    recipe: Recipe = RECIPE,
    seeds: Sequence[int] = (0,),
    headline: Headline | str = "accuracy",
) -> list[Outcome]:
    """A model trained densely, one outcome a seed.

    >>> (outcome,) = train(Tiny(), seeds=(4,))
    >>> outcome.headline > 0.5  # a third of the blobs would be right by chance
    True
    """
    return run_method(
        Untrained(),
        model=model,
        task=task,
        initializer=initializer,
        recipe=recipe,
        densities=(1.0,),
        seeds=seeds,
        headline=headline,
    )


def trial_of_cell(cell: Cell, plugins: Plugins, **parts: Any) -> Trial:
    """The trial of a planned cell at its initialization: what its scorer or its method sees.

    `parts` replace some of it, as in `model=MyModel()`; they are the fields of its cast.
    """
    return trial_at(bench_of_cells([cell], [replace(Resolver(plugins).cast(cell.setting), **parts)]))


def run_cells(cells: Sequence[Cell], plugins: Plugins, headline: Headline | str = "accuracy") -> list[Outcome]:
    """Planned cells, led to their end as one fleet."""
    resolver = Resolver(plugins)
    bench = bench_of_cells(cells, [resolver.cast(cell.setting) for cell in cells])
    goal = Headline(metric=headline) if isinstance(headline, str) else headline
    return [outcome_of(member) for member in led(bench, goal)]
