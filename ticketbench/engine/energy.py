"""Energy: what a GPU has consumed, as its driver counts it.

NVIDIA's management library, which comes with the driver, counts millijoules of the whole card since the driver was
loaded (`nvmlDeviceGetTotalEnergyConsumption`, from Volta on). Whatever else ran on the card is in the number.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch

LIBRARY = "libnvidia-ml.so.1"
SUCCESS = 0


@cache
def library() -> Any:
    """The management library, ready to be asked; None where there is none."""
    try:
        found = ctypes.CDLL(LIBRARY)
        return found if found.nvmlInit_v2() == SUCCESS else None
    except (OSError, AttributeError):
        return None


def joules(device: torch.device) -> float | None:
    """What a card has consumed up to now; None on a CPU, and where the driver does not tell."""
    if device.type != "cuda" or library() is None:
        return None
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return counted(library(), uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")


def counted(nvml: Any, uuid: str) -> float | None:
    """The counter of the card with this identity, in joules."""
    card, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    try:
        if nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(card)) != SUCCESS:
            return None
        if nvml.nvmlDeviceGetTotalEnergyConsumption(card, ctypes.byref(millijoules)) != SUCCESS:
            return None
    except AttributeError:  # a driver from before the counter
        return None
    return millijoules.value / 1000


class Meter:
    """Shares what a card consumes among those for whom it works at the time."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._before = joules(device)

    def share(self, members: int) -> float | None:
        """What each of so many consumed since the last call; None where the card does not tell."""
        before, self._before = self._before, joules(self.device)
        return None if before is None or self._before is None else (self._before - before) / max(1, members)
