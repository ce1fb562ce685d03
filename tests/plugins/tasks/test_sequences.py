"""Images as sequences: the order of pixels."""

from __future__ import annotations

import torch

from ticketbench import Shapes, Split
from ticketbench_tasks.sequences import as_sequences, read_as

IMAGES = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[5.0, 6.0], [7.0, 8.0]]]])
BOTH = Split(IMAGES, torch.tensor([4, 9]))


def test_a_row_is_a_step():
    """The upper row first, its pixels from the left; targets stay."""
    read = as_sequences(BOTH, "rows")
    assert read.inputs.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert read.targets.tolist() == [4, 9]
    assert read_as(Shapes((1, 2, 2), 10), "rows") == Shapes((2, 2), 10)


def test_a_pixel_is_a_step():
    """Row by row."""
    assert as_sequences(BOTH, "pixels").inputs.tolist() == [[[1], [2], [3], [4]], [[5], [6], [7], [8]]]
    assert read_as(Shapes((1, 2, 2), 10), "pixels") == Shapes((4, 1), 10)
