"""The time that everything may take, shared out among sections, and kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

GRACE = 5.0
"""Seconds that a section may be over its share before it is interrupted."""
SOON = 0.1
"""Seconds to the nearest signal."""


class CutOffError(BaseException):
    """The time is up. No `Exception`: what the engine catches of plugins does not catch it."""


@dataclass
class Budget:
    """Seconds in all, and each section's share of what is left when it begins: what one leaves over, others have."""

    seconds: float
    shares: Mapping[str, float]
    """By the names of the sections, in their order."""
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds until everything has to be over."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    def share(self, name: str) -> float:
        """Seconds for a section that begins now.

        >>> round(Budget(100.0, {"a": 1.0, "b": 3.0}).share("a"))
        25
        """
        names = list(self.shares)
        to_come = sum(self.shares[other] for other in names[names.index(name) :])
        return self.left() * self.shares[name] / to_come if to_come else 0.0


@dataclass(frozen=True)
class Allowance:
    """The time of one section, or of a part of it."""

    until: float
    """On the monotonic clock."""

    @classmethod
    def of(cls, seconds: float) -> Allowance:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self.until - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self.until

    def part(self, count: int, least: float = 0.0) -> Allowance:
        """An equal part of what is left, for the first of so many that come; at least so many seconds.

        What is too short to show anything is better left out than begun.
        """
        return Allowance.of(min(self.left(), max(least, self.left() / max(1, count))))


@contextmanager
def cut_off_after(seconds: float) -> Iterator[None]:
    """Interrupt what runs longer, such as a first step that does not come; nothing where there is no such signal."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise CutOffError(f"interrupted after {seconds:.0f} s")

    before, started = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    others, _ = signal.setitimer(signal.ITIMER_REAL, max(SOON, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:  # whoever is around this waits for a signal, too
            signal.setitimer(signal.ITIMER_REAL, max(SOON, others - (time.monotonic() - started)))
