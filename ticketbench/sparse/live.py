"""The live weights of one network: values, gradients and slots of those alone that its mask keeps, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ticketbench.sparse.arrangement import VECTOR, of_convolution, of_matrix, turned
from ticketbench.sparse.library import NativeMember, NativePart
from ticketbench.sparse.memory import LANES

SLOTS = {"exp_avg": "first", "exp_avg_sq": "second", "momentum_buffer": "first"}
"""The names that optimizers give to what is kept beside a weight."""


def aligned(count: int, kind: type) -> np.ndarray:
    """An empty array that begins where a line of the caches does, so that no vector is in two of them."""
    room = np.empty(count * np.dtype(kind).itemsize + VECTOR, np.uint8)
    start = -room.ctypes.data % VECTOR
    return room[start : start + count * np.dtype(kind).itemsize].view(kind)


def aligned_zeros(count: int, kind: type) -> np.ndarray:
    """The same of zeros."""
    found = aligned(count, kind)
    found[:] = 0
    return found


class Live:
    """Gathered from tensors, and put back into them."""

    def __init__(
        self,
        names: Sequence[str],
        weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        slots: Sequence[str] = (),
        factor: Callable[[str], float] = lambda name: -1.0,
        double: bool = False,
    ) -> None:
        """`factor` is that on the learning rate, below zero for what is not trained."""
        self.names = tuple(names)
        self.shapes = {name: tuple(weights[name].shape) for name in self.names}
        self.kept: dict[str, Tensor | None] = {}
        """Where the live weights are in the flat tensor; None if all are."""
        self.at: dict[str, slice] = {}
        self._held: list[np.ndarray] = []
        parts = (NativePart * max(1, len(self.names)))()
        start = 0
        for number, name in enumerate(self.names):
            weight, part = weights[name], parts[number]
            mask = masks.get(name)
            if mask is not None and (mask.shape != weight.shape or (weight.ndim < 2 and not mask.all())):
                raise ValueError(f"'{name}' has a mask of its shape, and none if it has one dimension")
            kept = None if mask is None or bool(mask.all()) else mask.flatten().nonzero().squeeze(1)
            count = weight.numel() if kept is None else len(kept)
            self.kept[name], self.at[name] = kept, slice(start, start + count)
            if weight.ndim > 1:
                places = np.arange(weight.numel()) if kept is None else kept.numpy()
                self._arrange(part, weight.shape, places)
            part.at, part.count, part.factor, part.decays = start, count, factor(name), 1
            start += -(-count // LANES) * LANES
        kind = np.float64 if double else np.float32
        self.size = start
        self.values, self.gradients = aligned_zeros(start + LANES, kind), aligned_zeros(start + LANES, kind)
        self.slots = {name: aligned_zeros(start + LANES, kind) for name in slots}
        pointers = {SLOTS[name]: slot.ctypes.data for name, slot in self.slots.items()}
        self._parts = parts
        self.member = NativeMember(
            len(self.names),
            parts,
            start,
            self.values.ctypes.data,
            self.gradients.ctypes.data,
            pointers.get("first"),
            pointers.get("second"),
        )
        self.take(weights)

    def _arrange(self, part: NativePart, shape: Sequence[int], places: np.ndarray) -> None:
        """Tell the machine where the live weights are; those of a convolution are gone through both ways."""
        own = of_matrix(places, *shape) if len(shape) == 2 else of_convolution(places, shape)
        self._held += [own.begin, own.column]
        part.row, part.column, part.blocks = own.begin.ctypes.data, own.column.ctypes.data, own.blocks
        if len(shape) > 2:
            down, place = turned(places, shape)
            self._held += [down.begin, down.column, place]
            part.down, part.turned, part.downs = down.begin.ctypes.data, down.column.ctypes.data, down.blocks
            part.place = place.ctypes.data

    def take(self, weights: Mapping[str, Tensor], slots: Mapping[str, Mapping[str, Tensor]] | None = None) -> None:
        """Other values, and slots, at the same places."""
        for name in self.names:
            if name in weights:
                self._take(self.values, name, weights[name])
            for slot, held in (slots or {}).items():
                if name in held:
                    self._take(self.slots[slot], name, held[name])

    def put(self, weights: Mapping[str, Tensor], slots: Mapping[str, Mapping[str, Tensor]] | None = None) -> None:
        """Values, and slots, into tensors that are zero everywhere else."""
        for name in self.names:
            if name in weights:
                self._put(self.values, name, weights[name])
            for slot, held in (slots or {}).items():
                if name in held:
                    self._put(self.slots[slot], name, held[name])

    def fits(self, masks: Mapping[str, Tensor]) -> bool:
        """Whether these masks keep the weights that are here."""
        for name in self.names:
            kept, mask = self.kept[name], masks.get(name)
            if mask is None or (kept is None and bool(mask.all())):
                continue
            if kept is None or int(mask.sum()) != len(kept) or not bool(mask.reshape(-1)[kept].all()):
                return False
        return True

    def forget(self) -> None:
        """A fresh optimizer: all slots are zero."""
        for held in self.slots.values():
            held[:] = 0

    def drop(self, masks: Mapping[str, Tensor]) -> None:
        """Slots of weights that these masks do not keep are zero, whatever is kept again later."""
        for held in self.slots.values():
            for name in self.names:
                kept, mask = self.kept[name], masks.get(name)
                if mask is not None:
                    flat = mask.reshape(-1)
                    held[self.at[name]][~(flat if kept is None else flat[kept]).numpy()] = 0

    def hand_slots(self, other: Live) -> None:
        """Slots of weights that are live in both, to another of the same tensors."""
        for slot, held in self.slots.items():
            for name in self.names:
                whole = torch.zeros(self.shapes[name], dtype=torch.from_numpy(held).dtype)
                self._put(held, name, whole)
                other._take(other.slots[slot], name, whole)

    def put_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """The gradients, into tensors that are zero everywhere else."""
        for name, tensor in gradients.items():
            self._put(self.gradients, name, tensor)

    def _take(self, held: np.ndarray, name: str, tensor: Tensor) -> None:
        kept, flat = self.kept[name], tensor.detach().reshape(-1)
        held[self.at[name]] = (flat if kept is None else flat.index_select(0, kept)).numpy()

    def _put(self, held: np.ndarray, name: str, tensor: Tensor) -> None:
        kept, values = self.kept[name], torch.from_numpy(held[self.at[name]]).to(tensor.dtype)
        flat = tensor.detach().view(-1)
        if kept is None:
            flat.copy_(values)
        else:
            flat.index_copy_(0, kept, values)
