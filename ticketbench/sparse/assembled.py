"""A program as numbers: what a tape was made into, for the machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Assembled:
    """A program's numbers."""

    instructions: np.ndarray
    pool: np.ndarray
    arena: int
    tile: int
    parameters: tuple[str, ...]
    outputs: tuple[tuple[int, int, int], ...]
    tables: tuple[str, ...] = ()
    """Tensors of the network that are read where they are; their streams follow those of the outputs."""
    carried: tuple[str, ...] = ()
    """State that is carried from batch to batch, if it is there; its streams are the last."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Of the parameters."""

    @property
    def outside(self) -> tuple[str, ...]:
        """All tensors of the network that have streams, in their order."""
        return (*self.tables, *self.carried)
