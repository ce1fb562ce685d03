"""Which functions compute the gates of a step: kernels where they run, torch's operations elsewhere."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from ticketbench import runs_kernels
from ticketbench_models import gates


def pointwise_for(like: Tensor) -> ModuleType:
    """A module with the functions of `gates.py`, for tensors of this type on this device.

    Kernels on a GPU alone: on a CPU they could only be interpreted, which is for tests.
    """
    if like.is_cuda and like.dtype == torch.float32 and runs_kernels(like.device):
        from ticketbench_models import gate_launches

        return gate_launches
    return gates
