"""What replayed steps are given: tables on the device, filled ahead, from which each step takes its own rows.

Two tables hold what differs from step to step. The ring has the order of the examples of two epochs a seat: while one
is trained on, the next is drawn by a thread and put into the other half. The chunk has everything else for the next
steps, a row a step: learning rates, what models and regimes draw at random, uniform numbers of augmentations, and,
where a task keeps its examples on the host, the batches themselves. A step reads its rows by counters that lie on the
device as well, so that it is the same function of the same memory every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ticketbench.engine.by_seat import BySeat
from ticketbench.engine.course import Course
from ticketbench.engine.data import Stored, TaskData, augment_draws, augmented_by, gather, permutation
from ticketbench.engine.feed import Draw, StepInputs
from ticketbench.engine.network import Network
from ticketbench.engine.state import State
from ticketbench.plugin.calls import placed_on
from ticketbench.seeds import common

KEYWORD = "keyword "
"""What stands before the name of a keyword of the forward, in a chunk."""
CHUNK_STEPS = 256
"""Steps of a chunk at most."""
CHUNK_BYTES = 64 * 2**20
"""What a chunk may take."""
NUMBERS, START, AUGMENT, INPUTS, TARGETS = "numbers", "start", "augmentation", "inputs", "targets"


class TableFeed:
    """The tables of one stack. What a step has to know of each seat is written into `Seats`."""

    def __init__(
        self, data: TaskData, network: Network, courses: Sequence[Course | None], draw: Draw, moves: BySeat
    ) -> None:
        self.data = data
        self.network = network
        self.draw = draw
        self.moves = moves
        self.courses = list(courses)
        course = next(one for one in courses if one is not None)
        self.batch = min(course.recipe.batch, len(data.train))
        self.per_epoch = max(1, len(data.train) // self.batch)
        self.on_host = not data.task.resident
        self.cursor = torch.zeros(1, dtype=torch.int64, device=data.device)
        """How many rows of the chunk are used, on the device; the host knows it as `used`."""
        self.used = self.length = 0
        self.chunk: State = {}
        self.along = torch.arange(self.batch, device=data.device)
        self.ring = torch.empty(0)
        self.halves: list[list[int]] = []
        if not data.task.contiguous and not self.on_host:
            width = 2 * self.per_epoch * self.batch
            self.ring = torch.zeros(len(courses), width, dtype=torch.int32, device=data.device)
            self.halves = [[-1, -1] for _ in courses]
        self._ahead: dict[tuple[int, int], Future[Tensor]] = {}
        self._thread = ThreadPoolExecutor(1, "orders")

    def close(self) -> None:
        """Let the thread go; nothing is drawn ahead any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- on the host, between steps --------------------------------------------------------------------------

    def enter(self, courses: Sequence[Course | None], steps: Sequence[int]) -> None:
        """Take up courses that changed: what lies ready belongs to those before."""
        for seat, (old, new) in enumerate(zip(self.courses, courses, strict=True)):
            if self.halves and new is not None and (old is None or old.seed != new.seed):
                self.halves[seat] = [-1, -1]
        self.courses = list(courses)
        self.used = self.length
        seeds = {course.seed for course in courses if course is not None}
        self._ahead = {key: order for key, order in self._ahead.items() if key[0] in seeds}
        self.prepare(steps)

    def prepare(self, steps: Sequence[int]) -> int:
        """Have everything ready for steps to come; returns how many may be taken before the next call."""
        if self.used == self.length:
            self._fill(steps)
        return min(self.length - self.used, self._load_orders(steps))

    def took(self, steps: int) -> None:
        """Note that so many steps were taken."""
        self.used += steps

    def spoil(self, steps: Sequence[int]) -> None:
        """Overwrite what steps have used up: one that reads it again shows by its results. For rehearsals."""
        for table in self.chunk.values():
            table[: self.used] = float("nan") if table.is_floating_point() else 0
        for seat, (course, step) in enumerate(zip(self.courses, steps, strict=True)):
            for half, epoch in enumerate(self.halves[seat] if self.halves and course is not None else ()):
                if epoch < step // self.per_epoch:
                    length = self.per_epoch * self.batch
                    self.ring[seat, half * length :][:length] = 0
                    self.halves[seat][half] = -1

    def _load_orders(self, steps: Sequence[int]) -> int:
        if not self.halves:
            return CHUNK_STEPS
        room = CHUNK_STEPS
        for seat, (course, step) in enumerate(zip(self.courses, steps, strict=True)):
            if course is None:
                continue
            epoch = step // self.per_epoch
            for wanted in (epoch, epoch + 1):
                if self.halves[seat][wanted % 2] != wanted and wanted * self.per_epoch < course.until:
                    self._load(seat, course.seed, wanted)
            room = min(room, (epoch + 2) * self.per_epoch - step)
            if (epoch + 2) * self.per_epoch < course.until:
                self._draw_ahead(course.seed, epoch + 2)
        return room

    def _load(self, seat: int, seed: int, epoch: int) -> None:
        self._draw_ahead(seed, epoch)
        order = self._ahead.pop((seed, epoch)).result()
        length = self.per_epoch * self.batch
        half = self.ring[seat, epoch % 2 * length :][:length]
        half.copy_(on_its_way(order[:length].int(), self.data.device), non_blocking=True)
        self.halves[seat][epoch % 2] = epoch

    def _draw_ahead(self, seed: int, epoch: int) -> None:
        if (seed, epoch) not in self._ahead:
            self._ahead[seed, epoch] = self._thread.submit(permutation, len(self.data.train), seed, epoch)

    def _fill(self, steps: Sequence[int]) -> None:
        """The next rows of the chunk. Its tensors stay where they are once they exist."""
        first = self._row(steps, 0)
        if not self.length:
            bytes_each = sum(value.nbytes for value in first.values()) + self.moves.seats.numbers.nbytes
            self.length = max(1, min(CHUNK_STEPS, CHUNK_BYTES // bytes_each))
            like = {
                NUMBERS: self.moves.seats.numbers,
                START: torch.zeros(len(self.courses), dtype=torch.int64),
                **first,
            }
            self.chunk = {
                name: torch.zeros(self.length, *value.shape, dtype=value.dtype, device=self.data.device)
                for name, value in like.items()
            }
        rows = [first, *(self._row(steps, ahead) for ahead in range(1, self.length))] if first else []
        ready = {name: torch.stack([row[name] for row in rows]) for name in first}
        ready[NUMBERS] = self.moves.seats.numbers_at(self._rates(steps), self.moves.ages())
        ready[START] = self._starts(steps)
        for name, table in self.chunk.items():
            table.copy_(on_its_way(ready[name], self.data.device), non_blocking=True)
        self.used = 0
        self.cursor.zero_()

    def _rates(self, steps: Sequence[int]) -> Tensor:
        """The learning rates of the next steps, (steps, seats); after the end of a schedule there are none."""
        found = torch.zeros(len(self.courses), self.length, dtype=torch.float64)
        for seat, (course, step) in enumerate(zip(self.courses, steps, strict=True)):
            if course is not None:
                rates = course.rate_table[step : step + self.length]
                found[seat, : len(rates)] = rates
        return found.T.contiguous()

    def _starts(self, steps: Sequence[int]) -> Tensor:
        """Where each member's batches of the next steps begin: in the ring, or in each of the streams."""
        later = torch.tensor(steps) + torch.arange(self.length).unsqueeze(1)
        if self.data.task.contiguous:
            return later % self.per_epoch
        return later % (2 * self.per_epoch) * self.batch

    def _row(self, steps: Sequence[int], ahead: int) -> State:
        """What the step that comes so many steps later needs beside its learning rates; often nothing.

        A seat without a course has what the first one has.
        """
        live = next(course for course in self.courses if course is not None)
        courses = [course or live for course in self.courses]
        pairs = zip(courses, steps, strict=True)
        later = [min(step + ahead, course.total - 1) for course, step in pairs]
        seeds = [course.seed for course in courses]
        row: State = {}
        if self.data.task.augment_draws:
            row[AUGMENT] = augment_draws(self.data.task, seeds, later, self.batch)
        if self.on_host:
            orders = [self._order_on_host(course, step) for course, step in zip(courses, later, strict=True)]
            inputs, targets = stored(self.data.train.inputs), stored(self.data.train.targets)
            row[INPUTS] = torch.stack([inputs[order] for order in orders])
            row[TARGETS] = torch.stack([targets[order] for order in orders])
        call = self._keywords(later[courses.index(live)])
        row |= {KEYWORD + name: value for name, value in call.items()}
        example = self._example(row)
        placed = placed_on(self.data.device, call)
        drawn = self.draw(example, placed, seeds, later, [course.total for course in courses])
        return row | {name: value.cpu() for name, value in drawn.items()}

    def _keywords(self, step: int) -> Mapping[str, Tensor]:
        """The keywords of the forward at a step, the same for all members, who are all there."""
        if not self.network.keywords.any:
            return {}
        call = self.network.model.training_call(common("training call", step))
        self.network.keywords.check(self.network.model, call, step)
        return call

    def _order_on_host(self, course: Course, step: int) -> Tensor:
        """The examples of a step, where the batches themselves are laid into the chunk."""
        epoch, at = divmod(step, self.per_epoch)
        if self.data.task.contiguous:
            return torch.arange(0, self.batch * self.per_epoch, self.per_epoch) + at
        self._draw_ahead(course.seed, epoch)
        for seed, drawn in list(self._ahead):
            if seed == course.seed and drawn < epoch:
                del self._ahead[seed, drawn]
        return self._ahead[course.seed, epoch].result()[at * self.batch : (at + 1) * self.batch]

    def _example(self, row: State) -> Tensor:
        """A batch of every member, for whoever asks how large it is; its values mean nothing."""
        if self.on_host:
            prepared = self.data.task.prepare(row[INPUTS][0].to(self.data.device))
            return prepared.expand(len(self.courses), *prepared.shape)
        one = self.data.train.inputs[:1]
        return one.expand(len(self.courses), self.batch, *one.shape[1:])

    # -- on the device, in a step ----------------------------------------------------------------------------

    def at(self) -> StepInputs:
        """What the step needs at which the counter stands; a function of what lies on the device."""
        now = {name: table.index_select(0, self.cursor)[0] for name, table in self.chunk.items()}
        self.moves.seats.numbers.copy_(now.pop(NUMBERS))
        start, draws = now.pop(START), now.pop(AUGMENT, None)
        if self.on_host:
            flat = now.pop(INPUTS)
            inputs = self.data.task.prepare(flat.flatten(0, 1))
            inputs, targets = inputs.view(*flat.shape[:2], *inputs.shape[1:]), now.pop(TARGETS)
        else:
            inputs, targets = gather(self.data.train, self._index(start.unsqueeze(1)))
        if draws is not None:
            inputs = augmented_by(self.data.task, inputs, draws)
        call = {name.removeprefix(KEYWORD): now.pop(name) for name in [*now] if name.startswith(KEYWORD)}
        return StepInputs(inputs, targets, call, now)

    def turn(self) -> None:
        """The next step reads the next row."""
        self.cursor += 1

    def _index(self, start_f1: Tensor) -> Tensor:
        if self.data.task.contiguous:
            return self.along * self.per_epoch + start_f1
        return self.ring.gather(1, start_f1 + self.along)


def stored(examples: Tensor) -> Tensor:
    """The examples as their task stores them, on the host."""
    return examples.stored if isinstance(examples, Stored) else examples


def on_its_way(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor in memory that a GPU can read while the host goes on; on a CPU the tensor itself."""
    return tensor.pin_memory() if device.type == "cuda" else tensor
