"""Compiling: for models whose every step is a long list of small operations, and trainings long enough to pay for it.

A model with a stacked form has its operations fused by hand, and a captured step has no launches to save. What is left
for the compiler are models that `vmap` stacks or that run one by one. It takes a minute, and saves about `SAVED` of
the time: it pays where the training that remains takes more than `PAYING` compilations would.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.network import Network
from ticketbench.files import cache_folder

COMPILE_SECONDS = 60.0
SAVED = 0.15
PAYING = 3
CARD_FLOPS = 2e13
"""FLOP/s that convolutions of usual sizes reach on a card, of the order of."""


def compile_pays(network: Network, device: torch.device, flops: float) -> bool:
    """Whether compiling pays for a training of so many FLOPs, of all members together."""
    if device.type != "cuda" or network.own_stacked is not None:
        return False
    return flops / CARD_FLOPS * SAVED > PAYING * COMPILE_SECONDS


class Compiled:
    """A function compiled by torch, or the function itself where compiling fails."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
        self.function = function
        self.compiled: Callable[..., Tensor] = torch.compile(function, dynamic=False)
        self.how = "compile"

    def __call__(self, *values: Any) -> Tensor:
        """The function's value."""
        if self.how == "compile":
            try:
                return self.compiled(*values)
            except (torch.OutOfMemoryError, MemoryError):
                raise
            except Exception as error:  # the compiler has no common base for what it cannot do
                self.how = f"eager ({type(error).__name__})"
        return self.function(*values)
