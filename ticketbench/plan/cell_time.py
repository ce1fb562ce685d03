"""What is expected of a cell: what tells a run that goes on how far it is."""

from __future__ import annotations

from typing import NamedTuple


class CellTime(NamedTuple):
    """What is expected of a cell: its training steps, and the seconds of a worker for these and for all else."""

    steps: int
    training: float
    beside: float
    """Judging, scoring, probes, and its part of what a fleet costs."""

    @property
    def whole(self) -> float:
        """All of it."""
        return self.training + self.beside

    def plus(self, *others: CellTime) -> CellTime:
        """This and all of the others."""
        every = (self, *others)
        steps, training, beside = (sum(one[at] for one in every) for at in range(3))
        return CellTime(int(steps), training, beside)

    def less(self, other: CellTime) -> CellTime:
        """Without one of those that it was made of."""
        return CellTime(self.steps - other.steps, self.training - other.training, self.beside - other.beside)
