"""Sequential MNIST: small files in the official format."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import placed

from ticketbench import DataError, Shapes, Sizes
from ticketbench_tasks.mnist import MNIST, Mnist, Part
from ticketbench_tasks.seq_mnist import SeqMnist

EXAMPLES = 10


@pytest.fixture
def pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Ten images that are both the training and the test files, labelled 0 to 9, in a data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    found = np.random.default_rng(0).integers(0, 256, (EXAMPLES, 28, 28), dtype=np.uint8)
    images = gzip.compress(struct.pack(">IIII", 2051, EXAMPLES, 28, 28) + found.tobytes())
    labels = gzip.compress(struct.pack(">II", 2049, EXAMPLES) + bytes(range(EXAMPLES)))
    part = Part(placed(images, "images.gz", tmp_path), placed(labels, "labels.gz", tmp_path), EXAMPLES)
    monkeypatch.setattr(Mnist, "source", replace(MNIST, train=part, test=part))
    return found


def test_rows_and_pixels_are_read_in_order(pixels: np.ndarray):
    """Step t is row t, or pixel (t // 28, t % 28), as (x/255 − 0.1307) / 0.3081."""
    expected = torch.from_numpy((pixels.astype(np.float64) / 255 - 0.1307) / 0.3081).float()
    test = SeqMnist().test()
    torch.testing.assert_close(test.inputs, expected)
    assert test.targets.tolist() == list(range(10))
    one_by_one = SeqMnist(steps="pixels").test().inputs
    assert one_by_one.shape == (10, 784, 1)
    torch.testing.assert_close(one_by_one[:, 28 * 3 + 5, 0], expected[:, 3, 5])


def test_the_options_of_mnist_work(pixels: np.ndarray):
    """[0, 1], and a validation split by a seed: each image once, with its own label."""
    task = SeqMnist(normalisation="unit", validation=0.3)
    train, validation = task.training()
    assert task.sizes() == Sizes(7, 3, 10)
    assert (len(train), len(validation)) == (7, 3)
    both, labels = torch.cat([train.inputs, validation.inputs]), torch.cat([train.targets, validation.targets])
    assert sorted(labels.tolist()) == list(range(10))
    assert torch.equal(both, torch.from_numpy(pixels).float()[labels] / 255)
    assert not torch.equal(replace(task, data_seed=1).training()[1].targets, validation.targets)


def test_shapes_sizes_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """28 × 28 or 784 × 1; the files are those of MNIST, and an error names this task."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    assert SeqMnist().shapes() == Shapes((28, 28), 10)
    assert SeqMnist(steps="pixels").shapes() == Shapes((784, 1), 10)
    assert SeqMnist().sizes() == Sizes(60_000, 0, 10_000)
    assert SeqMnist().files() == Mnist().files()
    with pytest.raises(DataError, match=r"task 'seq_mnist' needs the file .* data fetch seq_mnist"):
        SeqMnist().test()
