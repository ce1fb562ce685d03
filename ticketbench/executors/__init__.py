"""Executors: where fleets are computed.

An executor turns an iterator of fleets into events. A fleet reaches it as a plain description of its cells and
leaves as records, which are plain data on the way, so that a worker can be a process, a GPU or a machine of a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ticketbench.plan.plan import Fleet
    from ticketbench.store.schema import CellRecord

ENDED = "ended"
"""The phase of a fleet that its worker is done with, whatever became of its cells."""


@dataclass(frozen=True)
class Event:
    """What an executor tells of a fleet: it moved on by some steps, its records are there, or it has stopped."""

    fleet: Fleet
    phase: str = ""
    """"starting", "drawing", "training", "judging", or "ended" once its worker is free; empty when records came."""
    steps: int = 0
    """Training steps taken since the last event, over all cells of the fleet."""
    records: list[CellRecord] = field(default_factory=list)
    note: str = ""
    """A line for the person who waits."""
    stopped: bool = False
    """Whether the fleet has stopped before its end, as its time was up; what it had done is in its checkpoint."""


class Executor(Protocol):
    """Computes fleets, in any order, and yields what happens."""

    @property
    def workers(self) -> int:
        """How many fleets are computed at once."""
        ...

    def run(self, fleets: Iterator[Fleet], setup: dict[str, Any]) -> Iterator[Event]:
        """Take fleets as workers become free; end when all are done or have stopped.

        `setup` is plain data for the workers: which plugins they load, and where and when they make checkpoints.
        """
        ...
