"""The small digits, read over time: a sequence task with nothing to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ticketbench import Shapes, Sizes, Split, option
from ticketbench_tasks.digits import Digits
from ticketbench_tasks.images import ImageClassification
from ticketbench_tasks.sequences import as_sequences, read_as


@dataclass(frozen=True)
class SeqDigits(ImageClassification):
    """The images of `digits`, in its splits, read from the top: 8 steps of a row of 8 pixels.

    "pixels" reads one pixel a step, 64 steps, each row from the left.
    """

    name = "seq_digits"
    summary = "8×8 handwritten digits read row by row, or pixel by pixel; nothing to fetch"
    reference = Digits.reference

    steps: Literal["rows", "pixels"] = option("rows", "a row a step, or a pixel a step")
    normalisation: Literal["standard", "unit"] = option("standard", "that of the training pixels, or [0, 1]")

    @property
    def images(self) -> Digits:
        """The task of the same images."""
        return Digits(normalisation=self.normalisation)

    def shapes(self) -> Shapes:
        """(8, 8) or (64, 1) in, ten classes."""
        return read_as(self.images.shapes(), self.steps)

    def sizes(self) -> Sizes:
        """As many sequences as `digits` has images."""
        return self.images.sizes()

    def training(self) -> tuple[Split, Split]:
        """Those of `digits`, as sequences."""
        train, validation = self.images.training()
        return as_sequences(train, self.steps), as_sequences(validation, self.steps)

    def test(self) -> Split:
        """That of `digits`, as sequences."""
        return as_sequences(self.images.test(), self.steps)
