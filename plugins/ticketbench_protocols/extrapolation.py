"""Extrapolation: train on easy problems, judge on harder ones, at many budgets in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from ticketbench import OptionError, Protocol, Stages, Task, option


@dataclass(frozen=True)
class Extrapolation(Protocol):
    """Drawn and trained on the task as it is; judged on the task with one option changed, at every budget.

    The label of a judgement is `option=value`. The headline belongs to the first value.
    """

    name = "extrapolation"
    summary = "train on easy problems, judge on harder ones at many iteration counts"
    reference = "Schwarzschild et al. 2021 (arXiv 2106.04537); Bansal et al. 2022 (arXiv 2202.05826)"

    vary: str = option("length", "the task's option that makes it harder")
    judge_at: tuple[int, ...] = option((512,), "its values to judge at")
    sweep_from: int = option(30, "the first budget judged", at_least=1)
    sweep_to: int = option(600, "the last budget judged", at_least=1)
    sweep_every: int = option(10, "the distance between budgets", at_least=1)

    def __post_init__(self) -> None:
        if not self.judge_at:
            raise ValueError("judge_at is empty: name at least one value to judge at")
        if self.sweep_to < self.sweep_from:
            raise ValueError(f"sweep_to {self.sweep_to} lies before sweep_from {self.sweep_from}")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """The task, and its harder versions for judging."""
        if self.vary not in {field.name for field in fields(task)}:  # type: ignore[arg-type]
            raise OptionError(f"protocol 'extrapolation' varies '{self.vary}', which task '{task.name}' does not have")
        harder = {f"{self.vary}={value}": replace(task, **{self.vary: value}) for value in self.judge_at}  # type: ignore[type-var]
        sweep = tuple(range(self.sweep_from, self.sweep_to + 1, self.sweep_every))
        return Stages(task, task, harder, sweep=sweep)
