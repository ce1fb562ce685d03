"""Watching torch's operations: what would make a host wait for its device, and how much memory is alive."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal", "item")


class NeverWaits(TorchDispatchMode):
    """Fails at an operation that reads a number on the host, or whose result's shape depends on the data."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if any(name == word or name.startswith(f"{word}_") for word in WAITING):
            raise AssertionError(f"{function} makes the host wait for its device")
        masks = args[1] if name.startswith("index") and len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
        if any(isinstance(mask, Tensor) and mask.dtype == torch.bool for mask in masks):
            raise AssertionError(f"{function} with a mask makes the host wait for its device")
        device = (kwargs or {}).get("device")
        if name == "_to_copy" and device is not None and torch.device(device) != args[0].device:
            raise AssertionError(f"{function} copies from {args[0].device} to {device}")
        return function(*args, **(kwargs or {}))


class Living(TorchDispatchMode):
    """The most bytes that were alive at once in tensors made while it watches."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most, self.known = 0, 0, set[int]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {part.untyped_storage()._cdata for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)}
        found = function(*args, **(kwargs or {}))
        for part in tree_leaves(found):
            if isinstance(part, Tensor):
                storage = part.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self.known and key not in given:
                    self.known.add(key)
                    self.now += size
                    weakref.finalize(storage, self.gone, key, size)
        self.most = max(self.most, self.now)
        return found

    def gone(self, key: int, size: int) -> None:
        """A storage is freed."""
        self.known.discard(key)
        self.now -= size
