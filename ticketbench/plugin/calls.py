"""The forward's keywords at a training step: plain values, which decide what is computed, and tensors, which do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def form_of(call: Mapping[str, Any]) -> str:
    """What steps have in common that differ at most in the numbers of their tensors."""
    forms = {
        name: f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else value
        for name, value in call.items()
    }
    return str(sorted(forms.items()))


def placed_on(device: torch.device, call: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords, their tensors on a device."""
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in call.items()}
