"""The small digits: the split is fixed to the bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ticketbench import OptionError, Shapes, Sizes, Split
from ticketbench.plugin.options import configure
from ticketbench_tasks.digits import Digits


def splits(task: Digits) -> list[Split]:
    """Train, validation and test."""
    return [*task.training(), task.test()]


def rows(split: Split) -> list[tuple[int, ...]]:
    """Every image's 64 numbers of 0 to 16, then its label; the inputs are in [0, 1]."""
    pixels = (split.inputs.flatten(1) * 16).round().int().tolist()
    return [(*image, label) for image, label in zip(pixels, split.targets.tolist(), strict=True)]


def test_the_three_splits_are_all_images_once():
    """1,200 + 200 + 397, in the order of the file within each split, with their own labels."""
    content = load_digits()
    expected = [(*image, label) for image, label in zip(content.data.astype(int).tolist(), content.target, strict=True)]
    found = [rows(split) for split in splits(Digits(normalisation="unit"))]
    assert [len(part) for part in found] == [1200, 200, 397]
    assert sorted(row for part in found for row in part) == sorted(expected)
    place = {row: at for at, row in enumerate(expected)}
    assert len(place) == 1797
    for part in found:
        places = [place[row] for row in part]
        assert places == sorted(places)


def test_every_digit_is_trained_and_validated_on_alike():
    """120 and 20 of each; what is left of 174 to 183 is tested on."""
    train, validation, test = splits(Digits())
    assert train.targets.bincount().tolist() == [120] * 10
    assert validation.targets.bincount().tolist() == [20] * 10
    assert test.targets.bincount().tolist() == [38, 42, 37, 43, 41, 42, 41, 39, 34, 40]


def test_the_split_never_changes():
    """The hash of pixels and labels: the images, their choice and their order are the same everywhere."""
    found = [
        hashlib.sha256(np.array(rows(split), dtype=np.uint8).tobytes()).hexdigest()[:16]
        for split in splits(Digits(normalisation="unit"))
    ]
    assert found == ["d5ffd29e24f4037e", "e28f148f8de1a7a5", "3eab5816f1d173c8"]


def test_inputs_are_standardised_by_the_training_pixels():
    """Mean 0 and deviation 1 over the training split; the same line for all splits."""
    train = Digits().training()[0].inputs
    assert (train.dtype, Digits().test().targets.dtype) == (torch.float32, torch.int64)
    assert train.double().mean().item() == pytest.approx(0, abs=2e-4)
    assert train.double().std(unbiased=False).item() == pytest.approx(1, abs=2e-4)
    for standard, unit in zip(splits(Digits()), splits(Digits(normalisation="unit")), strict=True):
        assert (unit.inputs.min().item(), unit.inputs.max().item()) == (0, 1)
        torch.testing.assert_close(standard.inputs, (unit.inputs - 0.3061) / 0.3765)


@pytest.mark.parametrize("scale", [2, 3])
def test_scale_repeats_each_pixel(scale: int):
    """Pixel (row, column) is that of (row // scale, column // scale); the shapes say so."""
    task = configure(Digits(), {"scale": scale}, "a test")
    small, large = Digits().test(), task.test()
    side = 8 * scale
    assert task.shapes() == Shapes((1, side, side), 10)
    assert large.inputs.shape == (397, 1, side, side)
    for row, column in ((0, 0), (side - 1, 0), (5, 9), (10, side - 2)):
        assert torch.equal(large.inputs[:, 0, row, column], small.inputs[:, 0, row // scale, column // scale])
    assert torch.equal(large.inputs[:, :, ::scale, ::scale], small.inputs)
    assert torch.equal(large.targets, small.targets)


def test_sizes_are_known_and_nothing_is_fetched():
    """And a scale of nothing is refused."""
    assert Digits().sizes() == Sizes(1200, 200, 397)
    assert Digits().shapes() == Shapes((1, 8, 8), 10)
    assert Digits().files() == ()
    with pytest.raises(OptionError, match="int, at least 1, at most 8"):
        configure(Digits(), {"scale": 0}, "a test")


def test_loss_and_accuracy():
    """Two images by hand: −log softmax, and right or wrong."""
    outputs = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    targets = torch.tensor([0, 1])
    inputs = torch.zeros(2, 1, 8, 8)
    right = float(np.log(1 + np.exp(-2.0)))
    assert Digits().loss(outputs, targets, inputs).item() == pytest.approx((right + right + 2) / 2)
    assert Digits().metrics(outputs, targets, inputs)["accuracy"].tolist() == [1, 0]


def test_a_nearest_neighbour_finds_the_digits():
    """The labels belong to the images: the nearest training image is of the same digit for 97 % and more."""
    train, _, test = splits(Digits())
    nearest = torch.cdist(test.inputs.flatten(1), train.inputs.flatten(1)).argmin(dim=1)
    assert (train.targets[nearest] == test.targets).float().mean().item() > 0.97
