"""What a training step is given: batches, keywords of the forward, and what is drawn at random, prepared on the host.

This is the feed of steps that are launched one by one; `tables.py` has that of steps which are replayed from a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ticketbench.engine.course import Course
from ticketbench.engine.data import Order, TaskData, augmented, gather
from ticketbench.engine.network import Network
from ticketbench.engine.state import State
from ticketbench.plugin.calls import placed_on
from ticketbench.seeds import common

Draw = Callable[[Tensor, Mapping[str, Any], Sequence[int], Sequence[int], Sequence[int]], State]
"""(inputs, call, seeds, steps, total steps of each member) -> what models and regimes draw at random."""


@dataclass(frozen=True)
class StepInputs:
    """What one step of all members is given."""

    inputs: Tensor
    targets: Tensor
    call: Mapping[str, Any] = field(default_factory=dict)
    drawn: Mapping[str, Tensor] = field(default_factory=dict)


class HostFeed:
    """Prepares one step after the other. Who has no course gets what the first one gets that has."""

    def __init__(self, data: TaskData, network: Network, courses: Sequence[Course | None], draw: Draw) -> None:
        self.data = data
        self.network = network
        self.first, course = next((at, one) for at, one in enumerate(courses) if one is not None)
        self.idle = [at for at, one in enumerate(courses) if one is None]
        self.seeds = [(one or course).seed for one in courses]
        self.totals = [(one or course).total for one in courses]
        self.draw = draw
        self.order = Order(self.seeds, len(data.train), course.recipe.batch, data.device, data.task.contiguous)

    def at(self, steps: Sequence[int]) -> StepInputs:
        """What the members need at these steps."""
        if self.idle:
            steps = [steps[self.first if at in self.idle else at] for at in range(len(steps))]
        inputs, targets = gather(self.data.train, self.order.batch_at(steps))
        inputs = augmented(self.data.task, inputs, self.seeds, steps)
        call = self.network.model.training_call(common("training call", steps[0]))
        call = placed_on(self.data.device, call)
        return StepInputs(inputs, targets, call, self.draw(inputs, call, self.seeds, steps, self.totals))
