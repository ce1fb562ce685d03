"""Where the check runs: on a GPU, or on a CPU as a rehearsal of the same code at tiny sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ticketbench.engine.rehearsal import Rehearsal
from ticketbench.engine.replay import CudaGraphs
from ticketbench.engine.steppers import Recording
from ticketbench.plan.estimate import room_in
from ticketbench.plan.plan import Room
from ticketbench.plan.resolve import Resolver

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
MEMORY = 0.7
"""The share of a card's memory that a run fills."""
REHEARSED = 0.2
"""Seconds that a rehearsal times anything at most."""


@dataclass(frozen=True)
class Machine:
    """The device that is checked, and whether it is a rehearsal."""

    rehearsal: bool = False

    @property
    def device(self) -> torch.device:
        """What is measured."""
        return CPU if self.rehearsal else GPU

    @property
    def recording(self) -> Recording:
        """How steps are recorded where CUDA is compared with a CPU."""
        return Rehearsal if self.rehearsal else CudaGraphs

    @property
    def recording_for_speed(self) -> Recording | None:
        """How steps are recorded where they are timed: nothing is gained by a rehearsal then."""
        return None if self.rehearsal else CudaGraphs

    def room(self, resolver: Resolver) -> Room | None:
        """How many cells fit into what a run takes of the card's memory; nothing in a rehearsal."""
        if self.rehearsal:
            return None
        return room_in(MEMORY * torch.cuda.get_device_properties(self.device).total_memory, resolver)

    def prepare(self) -> None:
        """As a worker of a run is set up."""
        torch.set_flush_denormal(True)
        torch.set_num_threads(1)

    def wait(self) -> None:
        """Until the device has done everything, so that a clock means something."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def works(self) -> bool:
        """Whether the device still computes: after some errors of CUDA nothing does in this process."""
        try:
            return torch.ones(2, device=self.device).sum().item() == 2
        except RuntimeError:
            return False

    def forget(self) -> None:
        """Give back what earlier sections held."""
        if self.device.type == "cuda" and self.works():
            torch.cuda.empty_cache()
