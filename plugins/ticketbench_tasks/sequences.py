"""Images read as sequences: row by row, or pixel by pixel."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ticketbench import Shapes, Split

Steps = Literal["rows", "pixels"]


def sequence_shape(side: int, steps: Steps) -> tuple[int, int]:
    """(steps, features) of a square grey image."""
    return (side, side) if steps == "rows" else (side * side, 1)


def as_sequences(split: Split, steps: Steps) -> Split:
    """Grey images (batch, 1, side, side) as (batch, steps, features), from the top left, each row to the right."""
    return Split(sequences(split.inputs, steps), split.targets)


def sequences(images_b1hw: Tensor, steps: Steps) -> Tensor:
    """A row a step, or a pixel a step."""
    return images_b1hw.flatten(1).view(len(images_b1hw), *sequence_shape(images_b1hw.shape[-1], steps))


def read_as(shapes: Shapes, steps: Steps) -> Shapes:
    """The shapes of such a task, from those of its images."""
    return Shapes(sequence_shape(shapes.inputs[-1], steps), shapes.outputs)
