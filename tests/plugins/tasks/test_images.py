"""What the image tasks share."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Split
from ticketbench_tasks.cifar import Cifar10
from ticketbench_tasks.images import black, crop_and_flip, held_out, normalised


def offset(down: int, across: int, flip: bool = False) -> list[float]:
    """The uniform numbers that shift by −4 … 4: the middle of each ninth."""
    return [(down + 4.5) / 9, (across + 4.5) / 9, 0.25 if flip else 0.75]


THREE = torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]])


@pytest.mark.parametrize(
    ("uniforms", "expected"),
    [
        (offset(0, 0), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (offset(0, 0, flip=True), [[3, 2, 1], [6, 5, 4], [9, 8, 7]]),
        (offset(1, -1), [[0, 4, 5], [0, 7, 8], [0, 0, 0]]),
        (offset(1, -1, flip=True), [[5, 4, 0], [8, 7, 0], [0, 0, 0]]),
        (offset(-2, 0), [[0, 0, 0], [0, 0, 0], [1, 2, 3]]),
        (offset(4, 4), [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_crops_and_mirror_images_of_a_small_image(uniforms: list[float], expected: list[list[int]]):
    """Three by three pixels, moved by hand: first cropped, then mirrored; 0 is outside."""
    assert crop_and_flip(THREE, torch.tensor([uniforms]), (0.0,)).tolist() == [[expected]]


def test_the_margin_has_a_value_a_channel():
    """An image moved out of sight leaves what is outside."""
    moved = crop_and_flip(THREE.repeat(1, 2, 1, 1), torch.tensor([offset(4, 0)]), (-1.5, 2.5))
    assert moved[0, 0].unique().tolist() == [-1.5]
    assert moved[0, 1].unique().tolist() == [2.5]


def test_all_81_offsets_and_both_sides_are_equally_likely():
    """Of 900 × 900 × 4 evenly spread uniform numbers, every outcome takes its exact share."""
    image = torch.arange(1.0, 82).view(1, 1, 9, 9)  # the middle pixel of the crop says where it was taken
    evenly = (torch.arange(90) + 0.5) / 90
    grid = torch.cartesian_prod(evenly, evenly, torch.tensor([0.0, 0.49, 0.51, 0.99]))
    moved = crop_and_flip(image.expand(len(grid), 1, 9, 9), grid, (0.0,))
    middle = moved[:, 0, 4, 4].int().tolist()
    assert Counter(middle) == dict.fromkeys(range(1, 82), 90 * 90 * 4 // 81)
    straight = moved[:, 0, 4, 3] < moved[:, 0, 4, 5]
    inner = (moved[:, 0, 4, 3] > 0) & (moved[:, 0, 4, 5] > 0)
    assert int(straight[inner].sum()) * 2 == int(inner.sum())


def test_the_ends_of_the_unit_interval_are_offsets_too():
    """0 is the first, and the largest number below 1 the last."""
    image = torch.arange(1.0, 82).view(1, 1, 9, 9)
    last = 1 - 2**-24
    moved = crop_and_flip(image.expand(2, 1, 9, 9), torch.tensor([[0, 0, last], [last, last, last]]), (0.0,))
    assert moved[:, 0, 4, 4].tolist() == [1, 81]


def reference(image_chw: Tensor, uniforms: list[float], outside: tuple[float, ...]) -> Tensor:
    """A margin, a slice, a mirror: the usual way, an image at a time."""
    down, across = int(uniforms[0] * 9), int(uniforms[1] * 9)
    planes = [functional.pad(plane, (4, 4, 4, 4), value=value) for plane, value in zip(image_chw, outside, strict=True)]
    cropped = torch.stack(planes)[:, down : down + image_chw.shape[1], across : across + image_chw.shape[2]]
    return cropped.flip(2) if uniforms[2] < 0.5 else cropped


def test_a_batch_is_what_padding_and_slicing_give():
    """64 random images of 6 × 10 pixels, alone and stacked with vmap."""
    source = torch.Generator().manual_seed(0)
    images, uniforms = torch.randn(64, 3, 6, 10, generator=source), torch.rand(64, 3, generator=source)
    outside = (0.5, -1.0, 2.0)
    one_by_one = [reference(image, draws, outside) for image, draws in zip(images, uniforms.tolist(), strict=True)]
    assert torch.equal(crop_and_flip(images, uniforms, outside), torch.stack(one_by_one))
    stacked = torch.func.vmap(lambda batch, draws: crop_and_flip(batch, draws, outside))(
        images.view(4, 16, 3, 6, 10), uniforms.view(4, 16, 3)
    )
    assert torch.equal(stacked.flatten(0, 1), torch.stack(one_by_one))


def test_normalisation_is_a_shift_and_a_scale_a_channel():
    """255 is 1: (1 − 0.5) / 0.25 = 2 and (1 − 0.2) / 0.4 = 2; 51 is 0.2; 0 is black."""
    pixels = torch.tensor([[[[255, 51, 0]], [[255, 51, 0]]]], dtype=torch.uint8)
    result = normalised(pixels, (0.5, 0.2), (0.25, 0.4))
    torch.testing.assert_close(result, torch.tensor([[[[2.0, -1.2, -2.0]], [[2.0, 0.0, -0.5]]]]))
    assert black((0.5, 0.2), (0.25, 0.4)) == (-2.0, -0.5)
    assert pixels.tolist() == [[[[255, 51, 0]], [[255, 51, 0]]]]


def test_the_held_out_examples_are_fixed_by_the_seed():
    """Three of ten; every example once, with its own target; another seed holds out others."""
    both = Split(torch.arange(10.0), torch.arange(10) * 2)
    train, validation = held_out(both, 3, 42, "a split")
    assert (len(train), len(validation)) == (7, 3)
    assert sorted([*train.inputs.tolist(), *validation.inputs.tolist()]) == list(range(10))
    for split in (train, validation):
        assert split.targets.tolist() == [2 * value for value in split.inputs.tolist()]
    assert held_out(both, 3, 42, "a split")[1].inputs.tolist() == validation.inputs.tolist()
    others = [set(held_out(both, 3, seed, "a split")[1].inputs.tolist()) for seed in range(5)]
    assert any(other != set(validation.inputs.tolist()) for other in others)
    assert len(held_out(both, 0, 42, "a split")[1]) == 0


def test_loss_and_accuracy_of_two_images():
    """Logits (0, ln 3): probabilities ¼ and ¾; targets 1 and 0 cost −ln ¾ and −ln ¼; one is right."""
    outputs = torch.tensor([[0, math.log(3)], [0, math.log(3)]])
    targets, inputs = torch.tensor([1, 0]), torch.zeros(2, 3, 32, 32)
    task = Cifar10()
    expected = (-math.log(0.75) - math.log(0.25)) / 2
    assert task.loss(outputs, targets, inputs).item() == pytest.approx(expected, rel=1e-6)
    assert {name: values.tolist() for name, values in task.metrics(outputs, targets, inputs).items()} == {
        "accuracy": [1.0, 0.0]
    }
