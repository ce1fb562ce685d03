"""The small digits as sequences: the same images, labels and splits."""

from __future__ import annotations

import pytest
import torch

from ticketbench import OptionError, Shapes, Sizes
from ticketbench.plugin.options import configure
from ticketbench_tasks.digits import Digits
from ticketbench_tasks.seq_digits import SeqDigits


@pytest.mark.parametrize("normalisation", ["standard", "unit"])
def test_the_splits_are_those_of_the_digits(normalisation: str):
    """Row t at step t, or pixel t; every image, every label, in order."""
    images = Digits(normalisation=normalisation)
    expected = [*images.training(), images.test()]
    rows, pixels = (SeqDigits(steps=steps, normalisation=normalisation) for steps in ("rows", "pixels"))
    for split, by_row, by_pixel in zip(
        expected, [*rows.training(), rows.test()], [*pixels.training(), pixels.test()], strict=True
    ):
        assert torch.equal(by_row.targets, split.targets)
        assert torch.equal(by_pixel.targets, split.targets)
        for row, column in ((0, 0), (0, 5), (3, 2), (7, 7)):
            assert torch.equal(by_row.inputs[:, row, column], split.inputs[:, 0, row, column])
            assert torch.equal(by_pixel.inputs[:, 8 * row + column, 0], split.inputs[:, 0, row, column])


def test_shapes_sizes_and_options():
    """8 × 8 or 64 × 1, nothing to fetch, and no third way to read."""
    assert SeqDigits().shapes() == Shapes((8, 8), 10)
    assert SeqDigits(steps="pixels").shapes() == Shapes((64, 1), 10)
    assert SeqDigits(steps="pixels").test().inputs.shape == (397, 64, 1)
    assert SeqDigits().sizes() == Sizes(1200, 200, 397)
    assert SeqDigits().files() == ()
    with pytest.raises(OptionError, match="It takes 'rows' or 'pixels'"):
        configure(SeqDigits(), {"steps": "columns"}, "a test")
