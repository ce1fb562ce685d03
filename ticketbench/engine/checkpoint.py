"""Checkpoints: when a fleet is held, in which file, and when it is to stop.

A checkpoint is made at the first pause after a minute of work since the last one; a pause can be after any few steps
and between any two other doings of a fleet. It replaces the one before it, whole or not at all, and is removed when the
fleet is done. Judging, drawing by a method's own means, and training tickets that were offered on the way have no pause
within; after a kill they are done once more.

Before a deadline a fleet stops as soon as the time left is just enough to write a checkpoint; and so it does when it is
told to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ticketbench.engine.fleet_run import FleetRun
from ticketbench.engine.fleet_state import state_of
from ticketbench.engine.journal import JOURNAL_BYTES, Journal
from ticketbench.files import reason_of, remove, written
from ticketbench.plan.cell import ENGINE_VERSION
from ticketbench.store.checkpoints import CHECKPOINT_FORMAT, CheckpointError, about, header_of

SECONDS = 60.0
"""Of work between two checkpoints."""
SPARE = 1.5
"""Seconds before a deadline for what comes after the last checkpoint: records and tables are still to be written."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """A fleet has stopped before its end. What it had done is in its checkpoint."""


def ours(device: str) -> dict[str, Any]:
    """What a checkpoint must agree in with whoever goes on from it, beside the keys of its cells."""
    return {"engine": ENGINE_VERSION, "torch": torch.__version__, "device": torch.device(device).type}


@dataclass
class Keeper:
    """The pauses of a fleet: it makes checkpoints, and stops."""

    file: Path | None = None
    """The fleet's checkpoint; without one it can only stop."""
    every: float = SECONDS
    deadline: float = float("inf")
    """When the fleet must have stopped, by the clock on the wall."""
    told_to_stop: Callable[[], bool] = lambda: False
    tell: Callable[[str], None] = lambda line: None
    """Told what a person may want to know: that a checkpoint is of no use."""
    goes_on: bool = False
    """Whether the file is there to go on from."""
    started: float = field(default_factory=time.time)
    """When the fleet began, perhaps in a run before this one."""
    has_stopped: bool = False
    _last: float = field(default_factory=time.monotonic)
    _asked: float | None = None
    _longest: float = 0.0
    """Seconds between two questions, at most of late."""
    _saving: float = 0.0
    """Seconds that a checkpoint takes, at most."""
    _journals: int = 1

    def due(self) -> bool:
        """Whether a checkpoint is due, or the end."""
        now = time.monotonic()
        if self._asked is not None:
            self._longest = max(0.9 * self._longest, now - self._asked)
        self._asked = now
        return self.stops() or (self.file is not None and now - self._last >= self.every)

    def stops(self) -> bool:
        """Whether the fleet has to stop now."""
        left = self.deadline - time.time()
        return self.told_to_stop() or left <= SPARE + self._longest + 1.5 * self._saving

    def use(self, run: FleetRun) -> None:
        """Hold the fleet as it is, and stop it if it is time."""
        start = time.monotonic()
        if self.file is not None:
            run.share_energy(run.staying())
            try:
                self.save(run)
            except OSError as error:  # the one before it stays, and work goes on
                self.tell(f"no checkpoint could be written to {self.file}: {reason_of(error)}")
        self._last, self._asked = time.monotonic(), None
        self._saving = max(self._saving, self._last - start)
        self.check_time()

    def check_time(self) -> None:
        """Stop if it is time."""
        if self.stops():
            self.has_stopped = True
            raise Stopped

    def begin(self) -> None:
        """A fleet begins: its clocks do, too."""
        self.started = time.time()
        self._last, self._asked = time.monotonic(), None

    def journal(self) -> Journal | None:
        """A journal of a fleet's member; all together have what journals may take."""
        return Journal(JOURNAL_BYTES // self._journals) if self.file is not None else None

    def share_among(self, seats: int) -> None:
        """So many journals there are at once."""
        self._journals = max(1, seats)

    # -- the file ------------------------------------------------------------------------------------------

    def save(self, run: FleetRun) -> None:
        """Write the fleet's checkpoint in the place of the one before it."""
        assert self.file is not None
        unended = [member.cell for member in run.staying()] + [cell for cell, _ in run.waiting]
        facts = {
            **ours(str(run.bench.device)),
            "cells": [cell.key for cell in unended],
            "seats": len(run.bench.cells),
        }
        tensors: dict[str, Tensor] = {}
        state = taken_apart({**state_of(run), "started": self.started}, tensors)
        words = {"format": CHECKPOINT_FORMAT, "about": json.dumps(facts), "state": json.dumps(state)}
        self.file.parent.mkdir(exist_ok=True)
        with written(self.file) as partial:
            save_file(tensors, partial, metadata=words)

    def held(self, device: str) -> dict[str, Any] | None:
        """How the fleet stood, if it is to go on from there; a `CheckpointError` if the file does not say."""
        if self.file is None or not self.goes_on:
            return None
        self.goes_on = False
        about(self.file, ours(device))
        try:
            state = json.loads(header_of(self.file)["state"])
            with safe_open(str(self.file), framework="pt") as file:
                found = put_together(state, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{type(error).__name__}: {error}") from error
        self.started = found["started"]
        return dict(found)

    def forget(self) -> None:
        """The fleet is done, or begins anew: its checkpoint is of no use."""
        if self.file is not None:
            remove(self.file)
        self._last = time.monotonic()


def taken_apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Plain data with numbers in the place of its tensors, which are put into `tensors`."""
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value.contiguous()
        return {"#": len(tensors) - 1}
    if isinstance(value, Mapping):
        return {name: taken_apart(one, tensors) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [taken_apart(one, tensors) for one in value]
    return value


def put_together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The plain data that `taken_apart` took apart."""
    if isinstance(value, dict):
        if value.keys() == {"#"}:
            return tensors[str(value["#"])]
        return {name: put_together(one, tensors) for name, one in value.items()}
    if isinstance(value, list):
        return [put_together(one, tensors) for one in value]
    return value
