"""A link: which weights make the units of a layer, which read them, and what lies between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Kind = Literal["pointwise", "dropout", "pool", "norm", "flatten"]


@dataclass(frozen=True)
class Passage:
    """One operation between two layers; it keeps units apart."""

    kind: Kind
    module: str = ""
    """The name of the module that does it, or "" for a function."""
    uniform: bool = True
    """Whether a map that is the same at all positions stays so (an average over zero padding does not)."""
    apply: Callable[[Tensor], Tensor] = field(default=lambda values: values, compare=False, repr=False)
    """A pointwise step as a function."""


@dataclass(frozen=True)
class Link:
    """A layer whose units are read by one other layer only, or, if it is recurrent, by itself and that one.

    >>> Link("0.weight", "2.weight", positions=16).readers  # sixteen columns a unit, behind a flattened map of 4×4
    {'2.weight': 16}
    """

    producer: str
    """The weight that makes the units, a row of it each."""
    consumer: str
    """The weight that reads them, `positions` neighbouring columns each."""
    positions: int = 1
    """The consumer's inputs a unit occupies: the size of its map where a flattened one is read, else 1."""
    between: tuple[Passage, ...] = ()
    gates: int = 1
    """The producer's blocks of rows: a unit of a recurrent layer has a row in the block of each gate."""
    loops: tuple[str, ...] = ()
    """The other weights of a recurrent layer: rows as the producer's, and a column a unit, as they read its states."""
    states: tuple[str, ...] = ()
    """Buffers of carried states, (rows, units)."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The batch norms between, by module name: a scale, a shift and two statistics a unit."""
        return tuple(step.module for step in self.between if step.kind == "norm")

    @property
    def makers(self) -> tuple[str, ...]:
        """All weights that make the units, a row each: the producer, and the loops of a recurrent layer."""
        return (self.producer, *self.loops)

    @property
    def readers(self) -> dict[str, int]:
        """All weights that read the units -> how many of their columns a unit occupies."""
        return {self.consumer: self.positions, **dict.fromkeys(self.loops, 1)}

    def units(self, rows: int) -> int:
        """How many units so many rows of a maker are."""
        return rows // self.gates

    def to_rows(self, of_units: Tensor) -> Tensor:
        """What is said of each unit, said of each row of a maker."""
        return of_units.repeat(self.gates)

    def by_unit(self, of_rows: Tensor) -> Tensor:
        """What is said of each row of a maker, as (gates, units)."""
        return of_rows.reshape(self.gates, -1)
