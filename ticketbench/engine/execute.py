"""Execute one fleet on one device: cells in, records out. The same function in a worker, a cluster, a test."""

from __future__ import annotations

import gc
import resource
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.checkpoint import Keeper, Stopped
from ticketbench.engine.energy import Meter
from ticketbench.engine.first_step import FirstStep
from ticketbench.engine.fleet_run import FleetRun, out_of_memory
from ticketbench.engine.fleet_state import cells_at_seats, go_on_from
from ticketbench.engine.life import Life, whole_life
from ticketbench.engine.member import Member, outcome
from ticketbench.engine.precision import set_precision
from ticketbench.engine.replay import CudaGraphs
from ticketbench.engine.steppers import Recording
from ticketbench.errors import DeviceError
from ticketbench.plan.cell import Cell, describe, ticket_facts
from ticketbench.plan.count import Size, model_size, module_size, work_of
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.store.checkpoints import CheckpointError
from ticketbench.store.schema import CellRecord, Layer
from ticketbench.suite.suite import Headline

FleetProgress = Callable[[str, int], None]
Finished = Callable[[list[CellRecord]], None]
"""Told of records as cells end."""


def execute(
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    device: str = "cpu",
    progress: FleetProgress = lambda phase, steps: None,
    keep_in: Path | None = None,
    *,
    seats: int = 0,
    finished: Finished = lambda records: None,
    recording: Recording | None = None,
    keeper: Keeper | None = None,
) -> list[CellRecord]:
    """A record for every cell, whatever happens; only a `keeper` can stop it before that, by `Stopped`.

    At most `seats` cells (0: all) are trained at once; the others take the seats of those that end. Out of memory
    halves the seats, and whatever is not finished begins again. With a keeper checkpoints are made, and a fleet goes
    on from the one that the keeper has.
    """
    done: dict[str, CellRecord] = {}

    keys = {cell.key for cell in cells}

    def note(records: list[CellRecord]) -> None:
        mine = [record for record in records if record.key in keys]  # others were finished before, and led along
        done.update({record.key: record for record in mine})
        if mine:
            finished(mine)

    keeper = keeper or Keeper()
    fleet = Execution(resolver, headline, torch.device(device), progress, keep_in, note, keeper, recording)
    count = min(seats or len(cells), len(cells))
    while left := [cell for cell in cells if cell.key not in done]:
        count = min(count, len(left))
        try:
            fleet.lead(left, count)
        except Stopped:
            raise
        except (Exception, SystemExit) as error:
            trace = "".join(traceback.format_exception(error)[-6:])
            reason, memory = f"{type(error).__name__}: {error}", out_of_memory(error)
        else:
            continue
        finally:
            if not keeper.has_stopped:
                keeper.forget()
        release(device)
        if memory and count > 1:
            count = (count + 1) // 2
            continue
        note([failure(cell, reason, trace, fleet_size=count) for cell in left if cell.key not in done])
    return [done[cell.key] for cell in cells]


@dataclass(frozen=True)
class Execution:
    """How fleets of some cells are executed, and who hears of it."""

    resolver: Resolver
    headline: Headline
    device: torch.device
    progress: FleetProgress
    keep_in: Path | None
    finished: Finished
    keeper: Keeper
    recording: Recording | None = None
    """How steps are recorded; CUDA graphs on CUDA where nothing is said."""

    def lead(self, cells: Sequence[Cell], seats: int) -> None:
        """Lead the lives of cells in one stack of so many seats; those that find none wait.

        Where a fleet moves on from its first stage, or removes units, nobody can come later: then it takes what fits.
        """
        check_device(self.device)
        forget_memory(self.device)
        set_precision(cells[0].setting.precision)
        self.progress("starting", 0)
        self.keeper.check_time()
        self.keeper.begin()
        try:
            held = self.keeper.held(str(self.device))
        except CheckpointError as error:
            self.keeper.tell(f"a checkpoint is of no use: {error}")
            held = None
        if held is not None:
            run = self.run_of(cells_at_seats(held), deque())
            try:
                lost = go_on_from(held, run, self.begin, self.cast)
            except Exception as error:
                if out_of_memory(error):
                    raise
                run.bench.close()
                self.keeper.tell(f"a checkpoint is of no use: {type(error).__name__}: {error}")
            else:
                for line in lost:
                    self.keeper.tell(line)
                run.go_on(self.begin)
                return
        casts = [self.cast(cell) for cell in cells]
        moves = casts[0].stages.trains_elsewhere or casts[0].stages.adapt is not None
        stays = not moves and not any(cast.method.removes_units for cast in casts)
        waiting = deque(zip(cells[seats:], casts[seats:], strict=True)) if stays else deque[tuple[Cell, Cast]]()
        self.run_of(cells[:seats], waiting).lead(self.begin)

    def cast(self, cell: Cell) -> Cast:
        """The objects that a cell names."""
        return self.resolver.cast(cell.setting)

    def begin(self, bench: Bench, member: Member) -> Life:
        """The life that a member leads."""
        return whole_life(bench, member, self.keep_in is not None)

    def run_of(self, cells: Sequence[Cell], waiting: deque[tuple[Cell, Cast]]) -> FleetRun:
        """A run of some cells at their seats, before any life has begun."""
        recording = self.recording or (CudaGraphs if self.device.type == "cuda" else None)
        first = FirstStep(self.device, self.progress)
        meter = Meter(self.device)
        bench = Bench(cells, [self.cast(cell) for cell in cells], self.device, recording)
        account = Account(bench, self.headline, first, self.keeper)
        self.keeper.share_among(len(cells))

        def leave(members: Sequence[Member]) -> None:
            if self.keep_in is not None:
                save_tickets(members, self.keep_in)
            self.finished([account.record(member) for member in members])

        return FleetRun(bench, self.headline, first.hear, waiting, leave, meter, self.keeper)


@dataclass(frozen=True)
class Account:
    """What the records of a fleet's cells are made from."""

    bench: Bench
    headline: Headline
    first: FirstStep
    keeper: Keeper
    """Who knows when the fleet began."""

    @cached_property
    def size(self) -> Size:
        """The sizes of the model's layers, before any unit was removed."""
        return model_size(self.bench.stage.network.model, self.bench.stage.data.task.shapes())

    @cached_property
    def dense_flops(self) -> float:
        """FLOPs of one forward pass of the dense model."""
        return work_of(self.bench.stage.network.model, self.bench.stage.data.task.shapes(), {}).flops()

    def record(self, member: Member) -> CellRecord:
        """A member's record, while its network is in its seat."""
        bench = self.bench
        present = module_size(bench.stage.network.model, bench.stage.network.module)  # smaller if units were removed
        rest = bench.stack.mask(member.index)
        mask = member.drawn if member.drawn and member.cast.method.removes_units else rest
        kept = {name: int(part.sum()) for name, part in mask.items()}
        densities = {name: float(part.float().mean()) for name, part in rest.items()}
        total = sum(kept.values())
        return replace(
            outcome(member),
            headline_metric=self.headline.metric,
            kept=total,
            prunable=self.size.prunable_total,
            exact_density=total / max(1, self.size.prunable_total),
            parameters=present.parameters - sum(int((~part).sum()) for part in rest.values()),
            parameters_dense=self.size.parameters,
            flops=bench.stage.work.flops(densities),
            flops_dense=self.dense_flops,
            layers=tuple(Layer(name, kept[name], mask[name].numel()) for name in mask),
            first_step_seconds=self.first.seconds,
            peak_memory=peak_memory(bench.device),
            device_memory=device_memory(bench.device),
            energy=member.energy,
            engine=bench.engine(member.densely, member.sparsely),
            fleet_size=len(bench.stack),
            started=self.keeper.started,
            finished=time.time(),
        )


def failure(cell: Cell, reason: str, error: str = "", status: str = "failed", fleet_size: int = 1) -> CellRecord:
    """The record of a cell that left nothing but a reason."""
    now = time.time()
    return replace(
        describe(cell), status=status, reason=reason, error=error, fleet_size=fleet_size, started=now, finished=now
    )


def save_tickets(members: Sequence[Member], folder: Path) -> None:
    """Each cell's ticket (mask and starting weights) and its solution (mask and trained weights)."""
    folder.mkdir(parents=True, exist_ok=True)
    for member in members:
        for kind, ticket in (("ticket", member.ticket), ("solution", member.solution)):
            if ticket is not None:
                ticket.about = ticket_facts(member.cell, kind)
                ticket.save(folder / f"{member.cell.key}.{kind}.safetensors")


def check_device(device: torch.device) -> None:
    """The device exists, or a `DeviceError` says what does."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"there is no CUDA device here, but the cell wants {device}. Use --device cpu.")


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device's allocator, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_memory(device: torch.device) -> int | None:
    """Bytes that the allocator of a GPU held at most since `forget_memory`; None on a CPU."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None


def forget_memory(device: torch.device) -> None:
    """A fleet begins: what others held before it on this device is not its own."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # the statistics are there only once CUDA is used
        torch.cuda.reset_peak_memory_stats(device)


def release(device: str) -> None:
    """Give back what a failed fleet held."""
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
