"""Whether kernels run on a device: they need Triton, and a GPU that it compiles for or its interpreter.

Triton is imported when a device is asked about that could use it, never before. With TRITON_INTERPRET=1 in the
environment, set before the first import of Triton, kernels are interpreted on the CPU: slow, for tests.
"""

from __future__ import annotations

import os
from functools import cache

import torch


def runs_kernels(device: torch.device) -> bool:
    """Whether kernels run on a device. Ask once before a CUDA graph is captured: the first answer tries a kernel."""
    return lacks_for_kernels(device) == ""


def kernel_way(device: torch.device) -> str:
    """For the record, how the arithmetic that has kernels is computed on a device: "triton", or else "torch"."""
    return "triton" if runs_kernels(device) else "torch"


def lacks_for_kernels(device: torch.device) -> str:
    """What is missing for kernels on a device, in words; nothing if they run there."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if device.type == "cpu":
        return _import_failure() if interpreted else "kernels run on GPUs; on a CPU only with TRITON_INTERPRET=1"
    if device.type != "cuda":
        return f"kernels run on CUDA devices, not on {device.type}"
    if interpreted:
        return "TRITON_INTERPRET=1 interprets kernels on the CPU; without it they are compiled for the GPU"
    return _import_failure() or _launch_failure(device)


@cache
def _import_failure() -> str:
    """Why Triton cannot be imported, or nothing."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        return f"triton cannot be imported ({error}); pip install triton"
    return ""


@cache
def _launch_failure(device: torch.device) -> str:
    """Why a first small kernel does not run on a GPU, such as a missing C compiler or a GPU too old; or nothing."""
    from ticketbench.kernels.passes import sgd_pass

    try:
        one = torch.ones(1, device=device)
        with torch.cuda.device(device):
            sgd_pass[(1, 1)](one, one, None, None, one, one, one, one, 1, 0.0, nesterov=False, block=16)
            torch.cuda.synchronize()
    except Exception as error:  # whatever Triton, its compilers or the driver raise: the twins still run
        return f"triton is there, but a first kernel failed: {type(error).__name__}: {error}"
    return ""
