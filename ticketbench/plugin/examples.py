"""Plain data that tasks hand over: shapes, sizes, splits, and where files come from. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Shapes:
    """What a model needs to know of a task: the shape of one input, and how many outputs a position has."""

    inputs: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Sizes:
    """How many examples a task's splits hold, known without loading them."""

    train: int
    validation: int
    test: int
    choosing: int | None = None
    """Those that a budget of judging is chosen on; None where it is the validation split."""

    @property
    def to_choose_on(self) -> int:
        """How many examples a budget of judging is chosen on."""
        return self.validation if self.choosing is None else self.choosing


@dataclass(frozen=True)
class Split:
    """Examples as tensors that stay on the device."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Split:
        """The same inputs and targets on a device; those that lie there already are not copied."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Remote:
    """A file of a public data set: where it comes from, and how to know it is the right one."""

    name: str
    """Its name in the data folder."""
    url: str
    sha256: str
    size: int
    """Bytes."""
    unpacked_sha256: str = ""
    """Of a .gz file, optionally: the checksum of its content, by which the same content compressed otherwise, as
    mirrors and the user's own copies have it, is the right file too."""
    unpacked_size: int = 0
    """Bytes of that content; no more is ever unpacked to look."""
