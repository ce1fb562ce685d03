"""Every hook of ticketbench. A plugin implements any of them, marked with `ticketbench.hookimpl`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as TypingProtocol

import pluggy

if TYPE_CHECKING:
    from ticketbench.plugin.contracts import Initializer, Method, Model, Probe, Protocol, Scorer, Task


class RunPlan(TypingProtocol):
    """What an observer can rely on of a plan."""

    @property
    def tier(self) -> str:
        """The tier of the suite that is run, such as "smoke"."""

    @property
    def cells(self) -> Sequence[Any]:
        """The cells that are still to do."""


hookspec = pluggy.HookspecMarker("ticketbench")
hookimpl = pluggy.HookimplMarker("ticketbench")


@hookspec
def ticketbench_scorers() -> Sequence[Scorer]:  # type: ignore[empty-body]
    """Offer scorers: objects of your `Scorer` classes, with their default options."""


@hookspec
def ticketbench_methods() -> Sequence[Method]:  # type: ignore[empty-body]
    """Offer methods: objects of your `Method` classes, with their default options."""


@hookspec
def ticketbench_models() -> Sequence[Model]:  # type: ignore[empty-body]
    """Offer models: objects of your `Model` classes, with their default options."""


@hookspec
def ticketbench_tasks() -> Sequence[Task]:  # type: ignore[empty-body]
    """Offer tasks, with their default options. Returning them must not load or fetch data."""


@hookspec
def ticketbench_protocols() -> Sequence[Protocol]:  # type: ignore[empty-body]
    """Offer protocols: objects of your `Protocol` classes, with their default options."""


@hookspec
def ticketbench_initializers() -> Sequence[Initializer]:  # type: ignore[empty-body]
    """Offer initializers: objects of your `Initializer` classes, with their default options."""


@hookspec
def ticketbench_probes() -> Sequence[Probe]:  # type: ignore[empty-body]
    """Offer probes: objects of your `Probe` classes, with their default options."""


@hookspec
def ticketbench_suites() -> Sequence[Path]:  # type: ignore[empty-body]
    """Offer suites: the paths of TOML files, each named after its suite."""


@hookspec
def ticketbench_run_started(plan: RunPlan) -> None:
    """A run begins: the plan holds the cells that are still to do."""


@hookspec
def ticketbench_fleet_progress(fleet: str, phase: str, steps: int, cells: int) -> None:
    """A fleet of so many cells moved on by `steps` training steps, added up over its cells.

    The phase is "starting", "drawing", "training" or "judging", and "ended" once its worker is free.
    """


@hookspec
def ticketbench_cell_finished(record: dict[str, Any]) -> None:
    """A cell is in the store, whatever became of it; `record` is its row of the table `cells`."""


@hookspec
def ticketbench_run_finished(summary: dict[str, Any]) -> None:
    """A run ends: how many cells of each status, and the time it took."""


OFFERS = {
    "scorer": "ticketbench_scorers",
    "method": "ticketbench_methods",
    "model": "ticketbench_models",
    "task": "ticketbench_tasks",
    "protocol": "ticketbench_protocols",
    "initializer": "ticketbench_initializers",
    "probe": "ticketbench_probes",
    "suite": "ticketbench_suites",
}
"""Kind -> the hook that offers it."""
