"""Networks whose normalisation has statistics of its own."""

from __future__ import annotations

import torch
from torch import nn


def lively(module: nn.Module) -> nn.Module:
    """In float64 and with statistics, scales and shifts that are not those at the start, and keep signals alive."""
    source = torch.Generator().manual_seed(0)
    module.double()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.copy_(0.5 + torch.rand(len(part.weight), generator=source, dtype=torch.float64))
                part.running_var.copy_(0.05 + torch.rand(len(part.weight), generator=source, dtype=torch.float64) / 10)
                for tensor in (part.bias, part.running_mean):
                    tensor.copy_(torch.randn(len(tensor), generator=source, dtype=torch.float64) / 4)
    return module
