"""The local executor: worker processes of one thread on a CPU, one worker a GPU; real timeouts.

A fleet that runs past its time, or whose worker dies, is stopped with its whole process group. If it had
several cells they are computed again one by one, from their beginning, so that only the culprit is lost.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, MutableSequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from ticketbench.engine.checkpoint import SPARE
from ticketbench.engine.execute import failure
from ticketbench.executors import ENDED, Event
from ticketbench.executors.process import Process
from ticketbench.files import remove
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import Fleet
from ticketbench.store.checkpoints import checkpoint_file
from ticketbench.store.schema import CellRecord

GRACE = 5.0
"""Seconds that workers have to make their checkpoints when a run is interrupted."""

Message = tuple["Worker", dict[str, Any]]


@dataclass(eq=False)
class Worker:
    """A worker process and what it is doing."""

    device: str
    process: subprocess.Popen[str]
    errors: IO[bytes]
    fleet: Fleet | None = None
    left: tuple[Cell, ...] = ()
    """The cells of the fleet that have not ended yet."""
    deadline: float = float("inf")
    begin_by: float = float("inf")
    """When it must have begun with its fleet, if that is to end in time; no matter once it has."""
    checkpoint: Path | None = None
    """The file of its fleet."""
    dead: bool = False

    def send(self, message: dict[str, Any]) -> None:
        """One line to the worker; a dead one is noticed by its reader."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        """End the worker and everything it started."""
        self.dead = True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 2000))
        return self.errors.read().decode(errors="replace").strip()


@dataclass
class LocalExecutor:
    """Computes fleets in worker processes of this machine, one on each device that it is given."""

    devices: tuple[str, ...]
    """The device of each worker, such as ("cpu", "cpu") or ("cuda:0",)."""
    threads: int = 1
    started: MutableSequence[Process] = field(default_factory=list)
    """Processes that were started before there was anything to do; whoever started them ends those that are left."""
    _messages: SimpleQueue[Message] = field(default_factory=SimpleQueue)

    @property
    def workers(self) -> int:
        """How many fleets are computed at once."""
        return len(self.devices)

    def run(self, fleets: Iterator[Fleet], setup: dict[str, Any]) -> Iterator[Event]:
        """Keep every worker busy until all fleets are done."""
        again: deque[Fleet] = deque()
        crew: list[Worker] = []
        try:
            while True:
                self.occupy(crew, fleets, again, setup)
                if not any(worker.fleet for worker in crew):
                    return
                yield from self.receive(crew, again)
        except (KeyboardInterrupt, GeneratorExit):
            self.have_them_stop(crew)
            raise
        finally:
            for worker in crew:
                worker.kill()
                worker.errors.close()

    def occupy(self, crew: list[Worker], fleets: Iterator[Fleet], again: deque[Fleet], setup: dict[str, Any]) -> None:
        """Give every idle worker a fleet, if there is one; hire for places that are empty or whose worker died."""
        for at, device in enumerate(self.devices):
            if at < len(crew) and crew[at].fleet:
                continue
            fleet = again.popleft() if again else next(fleets, None)
            if fleet is None:
                return
            if at == len(crew):
                crew.append(self.hire(device, setup))
            elif crew[at].dead:
                crew[at] = self.hire(device, setup)
            self.assign(crew[at], fleet, setup)

    def have_them_stop(self, crew: list[Worker]) -> None:
        """Let workers hold their fleets in checkpoints, as far as they can in a moment."""
        busy = {id(worker) for worker in crew if worker.fleet and worker.checkpoint and not worker.dead}
        for worker in crew:
            if id(worker) in busy:
                worker.send({"stop": True})
        end = time.monotonic() + GRACE
        while busy and time.monotonic() < end:
            with suppress(Empty):
                worker, message = self._messages.get(timeout=max(0.0, end - time.monotonic()))
                if {"stopped", "finished", "ended"} & message.keys():
                    busy.discard(id(worker))

    def hire(self, device: str, setup: dict[str, Any]) -> Worker:
        """A worker process that is told what it has to know: one that waits, or a new one."""
        begun = self.started.pop() if self.started else Process.start(self.threads)
        worker = Worker(device, begun.process, begun.errors)
        threading.Thread(target=self.listen, args=(worker,), daemon=True).start()
        worker.send({**setup, "threads": self.threads})
        return worker

    def listen(self, worker: Worker) -> None:
        """Pass on what a worker says, and that it has ended."""
        assert worker.process.stdout is not None
        with worker.process.stdout as lines:
            for line in lines:
                self._messages.put((worker, json.loads(line)))
        with suppress(subprocess.TimeoutExpired):  # its output ends a moment before it does; then it can say how
            worker.process.wait(timeout=10)
        self._messages.put((worker, {"ended": True}))

    def assign(self, worker: Worker, fleet: Fleet, setup: dict[str, Any]) -> None:
        """Send a fleet; its clock starts when the worker says that it starts."""
        name, folder, deadline = fleet.resumes or fleet.name, setup.get("checkpoints"), setup.get("deadline")
        worker.checkpoint = checkpoint_file(Path(folder), name) if folder else None
        worker.begin_by = time.monotonic() + deadline - SPARE - time.time() if deadline else float("inf")
        worker.fleet, worker.left, worker.deadline = fleet, fleet.cells, float("inf")
        cells = [cell.to_plain() for cell in fleet.cells]
        job = {"cells": cells, "device": worker.device, "seats": fleet.seats}
        worker.send({**job, "name": name, "goes_on": bool(fleet.resumes)})

    def receive(self, crew: list[Worker], again: deque[Fleet]) -> Iterator[Event]:
        """The next message, or the news that a fleet's time is up, or the run's before it began."""
        ends = [min(worker.deadline, worker.begin_by) for worker in crew if worker.fleet]
        first = min(ends, default=float("inf"))
        try:
            worker, message = self._messages.get(timeout=min(1.0, max(0.0, first - time.monotonic())))
        except Empty:
            for slow in [worker for worker in crew if worker.fleet and worker.begin_by <= time.monotonic()]:
                slow.kill()  # it has begun with nothing
                slow.errors.close()
                assert slow.fleet is not None
                fleet, slow.fleet = slow.fleet, None
                yield Event(fleet, stopped=True)
            for late in [worker for worker in crew if worker.fleet and worker.deadline <= time.monotonic()]:
                late.kill()
                assert late.fleet is not None
                yield from self.give_up(late, again, f"stopped after {late.fleet.timeout:g} s", "timeout")
            return
        if worker.dead or worker.fleet is None:
            return
        fleet = worker.fleet
        if "phase" in message:
            if message["phase"] == "starting":
                worker.deadline, worker.begin_by = time.monotonic() + fleet.timeout, float("inf")
            yield Event(fleet, message["phase"], message["steps"])
        elif "records" in message:
            records = [CellRecord.from_dict(record) for record in message["records"]]
            ended = {record.key for record in records}
            worker.left = tuple(cell for cell in worker.left if cell.key not in ended)
            worker.deadline = time.monotonic() + fleet.timeout  # whoever is left, or takes a seat, has as long
            yield Event(fleet, records=records)
        elif "note" in message:
            yield Event(fleet, note=message["note"])
        elif "finished" in message:
            worker.fleet = None
            yield Event(fleet, ENDED)
        elif "stopped" in message:
            worker.fleet = None
            yield Event(fleet, stopped=True)
        elif "ended" in message:
            worker.kill()
            code = worker.process.returncode
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            yield from self.give_up(worker, again, f"the worker process died: {how}", "failed")

    def give_up(self, worker: Worker, again: deque[Fleet], reason: str, status: str) -> Iterator[Event]:
        """A lost fleet is computed again one by one; a lost cell is a record that says so."""
        fleet, words = worker.fleet, worker.last_words()
        assert fleet is not None
        worker.fleet = None
        worker.errors.close()
        yield Event(fleet, ENDED)
        if worker.checkpoint is not None:
            remove(worker.checkpoint)  # whatever was wrong may be in it
        if len(worker.left) > 1:
            again.extend(replace(fleet, cells=worker.left).split(len(worker.left)))
        elif worker.left:
            yield Event(fleet, records=[failure(worker.left[0], reason, words, status)])
