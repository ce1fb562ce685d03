"""The first training step of a fleet: how long it was waited for."""

from __future__ import annotations

import time

import torch

from ticketbench.engine.bench import synchronize
from ticketbench.engine.fleet_run import Progress

TRAINING = ("drawing", "training")
"""The phases in which steps are taken."""


class FirstStep:
    """Passes a fleet's progress on, and notes when its first training step was done.

    The engine speaks up after the first step of every stretch of training, with no steps to count yet; that is for
    this listener, and is not passed on.
    """

    def __init__(self, device: torch.device, progress: Progress) -> None:
        self.device = device
        self.progress = progress
        self.seconds: float | None = None
        """From the making of this object to the end of the first step; None where none was taken."""
        self._started = time.perf_counter()

    def hear(self, phase: str, steps: int) -> None:
        """What the engine says of its progress."""
        if self.seconds is None and phase in TRAINING:
            synchronize(self.device)
            self.seconds = time.perf_counter() - self._started
        if steps or phase not in TRAINING:
            self.progress(phase, steps)
