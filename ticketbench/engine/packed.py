"""Values as plain data and tensors of the host, for files that are read without running anything.

Tensors keep every bit. What is mostly zero takes a bit a place and its other values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.state import State
from ticketbench.plugin.trial import Companion, Snapshot, Spent

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a value -> the integers that hold its bits."""
SMALL = 256
"""Values below which a tensor is kept as it is."""


class UnpackableError(Exception):
    """A value that is no plain data: a tensor with its graph, a module, a plugin's own object."""


def packed(tensor: Tensor) -> dict[str, Any]:
    """A tensor as plain data: its shape, its type, and the values that are not zero."""
    if tensor.requires_grad:
        raise UnpackableError("a tensor that asks for gradients")
    host = tensor.detach().cpu().contiguous()
    about: dict[str, Any] = {"shape": list(host.shape), "type": str(host.dtype).removeprefix("torch.")}
    if host.is_complex() or host.numel() < SMALL:
        return {**about, "values": host.clone()}
    if host.dtype == torch.bool:
        return {**about, "places": packed_bits(host)}
    bits = host.reshape(-1).view(BITS[host.element_size()])
    places = bits != 0
    if int(torch.count_nonzero(places)) * 2 > host.numel():
        return {**about, "values": host.clone()}
    return {**about, "places": packed_bits(places), "values": host.reshape(-1)[places]}


def unpacked(about: Mapping[str, Any], device: torch.device) -> Tensor:
    """The tensor that `packed` made plain data of."""
    shape, dtype = about["shape"], getattr(torch, about["type"])
    if "places" not in about:
        values: Tensor = about["values"]
        return values.clone().reshape(shape).to(device)
    places = unpacked_bits(about["places"], torch.Size(shape).numel())
    if dtype == torch.bool:
        return places.reshape(shape).to(device)
    found = torch.zeros(places.shape, dtype=dtype)
    found[places] = about["values"]
    return found.reshape(shape).to(device)


def packed_bits(places: Tensor) -> Tensor:
    """Eight places a byte."""
    flat = places.reshape(-1)
    padded = torch.zeros(-(-len(flat) // 8) * 8, dtype=torch.uint8)
    padded[: len(flat)] = flat
    return (padded.view(-1, 8) << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8)


def unpacked_bits(bits: Tensor, count: int) -> Tensor:
    """The places that `packed_bits` put together."""
    apart = (bits.unsqueeze(1) >> torch.arange(8, dtype=torch.uint8)) & 1
    return apart.reshape(-1)[:count].bool()


def packed_state(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Tensors by name as plain data."""
    return {name: packed(tensor.detach()) for name, tensor in state.items()}


def unpacked_state(about: Mapping[str, Any], device: torch.device) -> State:
    """The tensors that `packed_state` made plain data of."""
    return {name: unpacked(one, device) for name, one in about.items()}


def as_plain(value: Any) -> Any:
    """What a trial hands out as plain data; `UnpackableError` if it is none."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        return {"tensor": packed(value)}
    if isinstance(value, Snapshot):
        return {"snapshot": [as_plain(value.weights), as_plain(value.buffers), value.step]}
    if isinstance(value, Companion):
        return {"companion": [as_plain(value.weights), as_plain(value.buffers), as_plain(value.mask)]}
    if isinstance(value, Spent):
        return {"spent": list(astuple(value))}
    if isinstance(value, Mapping) and all(type(name) is str for name in value):
        return {"mapping": {name: as_plain(one) for name, one in value.items()}}
    raise UnpackableError(f"a {type(value).__name__}")


def from_plain(plain: Any, device: torch.device) -> Any:
    """What `as_plain` made plain data of."""
    if not isinstance(plain, dict):
        return plain
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return unpacked(value, device)
    if kind == "snapshot":
        return Snapshot(from_plain(value[0], device), from_plain(value[1], device), value[2])
    if kind == "companion":
        return Companion(*(from_plain(part, device) for part in value))
    if kind == "spent":
        return Spent(*value)
    return {name: from_plain(one, device) for name, one in value.items()}


def bytes_of(plain: Any) -> int:
    """What plain data takes, nearly: the bytes of its tensors, and a little for everything else."""
    if isinstance(plain, Tensor):
        return plain.nbytes
    if isinstance(plain, Mapping):
        return sum(bytes_of(one) for one in plain.values())
    if isinstance(plain, (list, tuple)):
        return sum(bytes_of(one) for one in plain)
    return 16
