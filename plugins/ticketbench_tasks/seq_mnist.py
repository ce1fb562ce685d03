"""Sequential MNIST: the images of MNIST, read over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ticketbench import Shapes, Split, option
from ticketbench_tasks.mnist import Mnist, Part
from ticketbench_tasks.sequences import as_sequences, read_as


@dataclass(frozen=True)
class SeqMnist(Mnist):
    """The 60,000 training and 10,000 test images of `mnist`, read from the top: 28 steps of a row of 28 pixels.

    "pixels" reads one pixel a step, 784 steps, each row from the left. Files, normalisation and validation split are
    those of `mnist`, but for which images are set aside.
    """

    name = "seq_mnist"
    summary = "MNIST read row by row, or pixel by pixel"
    reference = "Le, Jaitly and Hinton 2015, A simple way to initialize recurrent networks (arXiv 1504.00941)"

    steps: Literal["rows", "pixels"] = option("rows", "a row a step, or a pixel a step")

    def shapes(self) -> Shapes:
        """(28, 28) or (784, 1) in, ten classes."""
        return read_as(super().shapes(), self.steps)

    def read(self, part: Part) -> Split:
        """The images of two verified files, as sequences."""
        return as_sequences(super().read(part), self.steps)
