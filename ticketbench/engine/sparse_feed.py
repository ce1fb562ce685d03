"""What one member's steps in the machine are given: its examples in its order, by the step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ticketbench.engine.course import Course
from ticketbench.engine.data import TaskData, augmented, permutation
from ticketbench.engine.network import Network
from ticketbench.engine.sparse_form import SparseForm
from ticketbench.plugin.contracts import Split
from ticketbench.seeds import common
from ticketbench.sparse.code import INPUTS, SHARES, TARGETS
from ticketbench.sparse.program import Rows, Runner


@dataclass(frozen=True)
class Stretch:
    """Steps of one program, one after the other."""

    step: int
    runner: Runner
    rows: Mapping[int, Rows]
    order: np.ndarray
    """(steps, batch): the rows of each step."""


class SparseFeed:
    """Prepares steps. Where examples need nothing but their order, they are read where they lie."""

    def __init__(self, data: TaskData, network: Network, form: SparseForm, course: Course) -> None:
        self.data, self.network, self.form, self.course = data, network, form, course
        self.batch = min(course.recipe.batch, len(data.train))
        self.per_epoch = max(1, len(data.train) // self.batch)
        self.direct: Split | None = None
        inputs, targets = data.train.inputs, data.train.targets
        plain = isinstance(inputs, Tensor) and isinstance(targets, Tensor)
        if plain and not data.task.augment_draws and not form.weighted:
            self.direct = Split(form.as_numbers(inputs), targets.long().contiguous())
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def at(self, step: int, count: int) -> Iterator[Stretch]:
        """So many steps from this one on."""
        end = step + count
        while step < end:
            call = dict(self.network.model.training_call(common("training call", step)))
            together = min(
                end, step + 1 if self.network.keywords.any else (step // self.per_epoch + 1) * self.per_epoch
            )
            order = self.order(step, together)
            rows, order = self.rows(step, order)
            shape = tuple(rows[INPUTS].tensor.shape[1:])
            runner = self.form.runner(call, "train", shape)
            assert runner is not None  # or the form would not be there
            yield Stretch(step, runner, rows, order)
            step = together

    def order(self, step: int, end: int) -> np.ndarray:
        """The examples of steps of one epoch, (steps, batch)."""
        epoch, place = divmod(step, self.per_epoch)
        steps = end - step
        if self.data.task.contiguous:
            starts = np.arange(0, self.batch * self.per_epoch, self.per_epoch)
            return np.ascontiguousarray(starts + np.arange(place, place + steps)[:, None])
        if epoch != self._epoch:
            self._order = permutation(len(self.data.train), self.course.seed, epoch).numpy()
            self._epoch = epoch
        return self._order[place * self.batch : (place + steps) * self.batch].reshape(steps, self.batch)

    def rows(self, step: int, order: np.ndarray) -> tuple[dict[int, Rows], np.ndarray]:
        """Where the examples lie, and under which numbers."""
        if self.direct is not None:
            return {INPUTS: Rows(self.direct.inputs, True), TARGETS: Rows(self.direct.targets, True)}, order
        inputs, targets, shares = [], [], []
        for number, row in enumerate(order):
            index = torch.from_numpy(row)
            batch = self.data.train.inputs.index_select(0, index)
            classes = self.data.train.targets.index_select(0, index)
            batch = augmented(self.data.task, batch.unsqueeze(0), [self.course.seed], [step + number])[0]
            inputs.append(self.form.as_numbers(batch))
            targets.append(classes.long())
            if self.form.weighted:
                shares.append(self.data.task.shares(classes, batch).float())
        parts = {INPUTS: inputs, TARGETS: targets, **({SHARES: shares} if shares else {})}
        rows = {number: Rows(torch.cat(part).contiguous(), True) for number, part in parts.items()}
        return rows, np.arange(order.size, dtype=np.int64).reshape(order.shape)
