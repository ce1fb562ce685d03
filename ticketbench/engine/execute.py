"""Execute one fleet on one device: cells in, records out. The same function in a worker, a cluster, a test."""

from __future__ import annotations

import gc
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.energy import joules, share_of
from ticketbench.engine.first_step import FirstStep
from ticketbench.engine.fleet_run import lead, out_of_memory
from ticketbench.engine.member import Member, outcome
from ticketbench.engine.network import set_precision
from ticketbench.errors import DeviceError
from ticketbench.plan.cell import Cell, describe, ticket_facts
from ticketbench.plan.count import model_size, module_size, work_of
from ticketbench.plan.resolve import Resolver
from ticketbench.store.schema import CellRecord, Layer
from ticketbench.suite.suite import Headline

FleetProgress = Callable[[str, int], None]


def execute(
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    device: str = "cpu",
    progress: FleetProgress = lambda phase, steps: None,
    keep_in: Path | None = None,
) -> list[CellRecord]:
    """A record for every cell, whatever happens. Out of memory splits the fleet in two and goes on."""
    try:
        return execute_together(cells, resolver, headline, torch.device(device), progress, keep_in)
    except (Exception, SystemExit) as error:
        trace = "".join(traceback.format_exception(error)[-6:])
        reason, memory = f"{type(error).__name__}: {error}", out_of_memory(error)
    if memory and len(cells) > 1:
        release(device)
        half = len(cells) // 2
        parts = (cells[:half], cells[half:])
        return [record for part in parts for record in execute(part, resolver, headline, device, progress, keep_in)]
    release(device)
    return [failure(cell, reason, trace, fleet_size=len(cells)) for cell in cells]


def execute_together(
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    device: torch.device,
    progress: FleetProgress,
    keep_in: Path | None,
) -> list[CellRecord]:
    """Lead the lives of all cells as one stack."""
    check_device(device)
    forget_memory(device)
    set_precision(cells[0].setting.precision)
    progress("starting", 0)
    started, first, before = time.time(), FirstStep(device, progress), joules(device)
    casts = [resolver.cast(cell.setting) for cell in cells]
    bench = Bench(cells, casts, device)
    members = lead(bench, headline, first.hear, keep=keep_in is not None)
    if keep_in is not None:
        save_tickets(members, keep_in)
    energy = share_of(before, joules(device), len(cells))
    model, shapes = bench.stage.network.model, bench.stage.data.task.shapes()
    size, work = model_size(model, shapes), work_of(model, shapes, {})
    present = module_size(model, bench.stage.network.module)  # smaller where a method has removed units
    records = []
    for index, member in enumerate(members):
        rest = bench.stack.mask(index)
        mask = member.drawn if member.drawn and member.cast.method.removes_units else rest
        kept = {name: int(part.sum()) for name, part in mask.items()}
        densities = {name: float(part.float().mean()) for name, part in rest.items()}
        total = sum(kept.values())
        records.append(
            replace(
                outcome(member),
                headline_metric=headline.metric,
                kept=total,
                prunable=size.prunable_total,
                exact_density=total / max(1, size.prunable_total),
                parameters=present.parameters - sum(int((~part).sum()) for part in rest.values()),
                parameters_dense=size.parameters,
                flops=bench.stage.work.flops(densities),
                flops_dense=work.flops(),
                layers=tuple(Layer(name, kept[name], mask[name].numel()) for name in mask),
                first_step_seconds=first.seconds,
                peak_memory=peak_memory(device),
                device_memory=device_memory(device),
                energy=energy,
                engine=bench.engine(),
                fleet_size=len(cells),
                started=started,
                finished=time.time(),
            )
        )
    return records


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
