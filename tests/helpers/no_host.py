"""A watch over operations that a captured training step must not have: those that ask the host, or wait for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ASKS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::is_nonzero")
"""What gives the host a number, or a tensor whose size depends on numbers."""

INDEXES = ("aten::index", "aten::index_put", "aten::index_put_")
"""What seeks the places of a mask, if it is given one."""


class NothingForTheHost(TorchDispatchMode):
    """Within its block such an operation, or one whose tensors lie on two devices, is an `AssertionError`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        """Operations so far."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let an operation pass, or refuse it."""
        self.seen += 1
        name = function._schema.name
        chosen = [part for part in tree_leaves(args[1:2]) if isinstance(part, Tensor) and part.dtype == torch.bool]
        if name in ASKS or (name in INDEXES and chosen):
            raise AssertionError(f"{name} asks the host")
        found = function(*args, **(kwargs or {}))
        tensors = [part for part in tree_leaves([args, kwargs or {}, found]) if isinstance(part, Tensor)]
        if len({part.device for part in tensors}) > 1:
            raise AssertionError(f"{name} copies to another device, for which the host waits")
        return found
