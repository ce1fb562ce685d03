"""SVHN: small files in the official format."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import placed
from scipy.io import savemat

from ticketbench import DataError, OptionError, Shapes, Sizes
from ticketbench.plugin.options import configure
from ticketbench_tasks import svhn
from ticketbench_tasks.svhn import TEST, TRAIN, Svhn

Put = Callable[..., None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def matlab(**arrays: np.ndarray) -> bytes:
    """A MATLAB file, compressed as the official ones."""
    file = io.BytesIO()
    savemat(file, arrays, do_compression=True)
    return file.getvalue()


def images(count: int) -> np.ndarray:
    """X as in the files: (32, 32, 3, images); image i begins with the byte i."""
    pixels = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    pixels[0, 0, 0] = np.arange(count)
    return pixels


def labels(count: int) -> np.ndarray:
    """y as in the files: (images, 1) of 1 to 10, here 10, 1, 2, … ."""
    return np.array([[(at - 1) % 10 + 1] for at in range(count)], dtype=np.uint8)


@pytest.fixture
def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a file into the data folder and make it the one whose checksum is known."""

    def put(name: str, content: bytes, examples: int) -> None:
        part = {"TRAIN": TRAIN, "TEST": TEST}[name]
        remote = placed(content, part.remote.name, folder)
        monkeypatch.setattr(svhn, name, replace(part, remote=remote, examples=examples))

    return put


def test_the_test_file_is_read_alone(put: Put):
    """Channels first, digit 0 for the label 10, (x/255 − ½) / ½; the training file is not there."""
    put("TEST", matlab(X=images(12), y=labels(12)), 12)
    test = Svhn().test()
    assert test.targets.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert (test.inputs.shape, test.inputs.dtype, test.targets.dtype) == ((12, 3, 32, 32), torch.float32, torch.int64)
    for image, row, column, channel in ((0, 0, 0, 0), (5, 3, 30, 2), (11, 31, 0, 1)):
        byte = int(images(12)[row, column, channel, image])
        assert test.inputs[image, channel, row, column].item() == pytest.approx(byte / 127.5 - 1, abs=1e-6)
    with pytest.raises(DataError, match=r"needs the file train_32x32\.mat .* data fetch svhn"):
        Svhn().training()


def test_training_and_validation_are_a_fixed_split(put: Put):
    """27 + 3 of 30, each once, with its own digit; the test file is not there."""
    put("TRAIN", matlab(X=images(30), y=labels(30)), 30)
    train, validation = Svhn().training()
    assert (len(train), len(validation)) == (27, 3)
    inputs = torch.cat([train.inputs, validation.inputs])
    found = ((inputs[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
    assert sorted(found) == list(range(30))
    assert torch.cat([train.targets, validation.targets]).tolist() == [at % 10 for at in found]
    assert torch.equal(Svhn().training()[1].inputs, validation.inputs)
    assert not torch.equal(Svhn(data_seed=1).training()[0].inputs, train.inputs)
    with pytest.raises(DataError, match=r"needs the file test_32x32\.mat"):
        Svhn().test()


def test_the_normalisation_can_be_that_of_the_channels(put: Put):
    """A white image: (1 − 0.4377) / 0.198 and so on."""
    put("TEST", matlab(X=np.full((32, 32, 3, 1), 255, dtype=np.uint8), y=labels(1)), 1)
    white = Svhn(normalisation="channels").test().inputs[0, :, 7, 7].tolist()
    assert white == pytest.approx([(1 - 0.4377) / 0.1980, (1 - 0.4438) / 0.2010, (1 - 0.4728) / 0.1970], rel=1e-5)
    with pytest.raises(OptionError, match="It takes 'half' or 'channels'"):
        configure(Svhn(), {"normalisation": "none"}, "a test")


def test_sizes_and_files_are_known_without_a_file():
    """73,257 and 26,032 images; 7,325 to validate."""
    assert Svhn().sizes() == Sizes(65_932, 7_325, 26_032)
    assert Svhn().shapes() == Shapes((3, 32, 32), 10)
    assert [remote.name for remote in Svhn().files()] == ["train_32x32.mat", "test_32x32.mat"]
    assert Svhn().augment_draws == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>", "is not a MATLAB file"),
        (b"", "is not a MATLAB file"),
        (matlab(X=images(4), y=labels(4))[:2000], "is not a MATLAB file"),
        (matlab(X=images(4)), "is not a MATLAB file of images X and labels y"),
        (matlab(X=images(3), y=labels(3)), "does not hold 4 images"),
        (matlab(X=images(4), y=labels(3)), "does not hold 4 images"),
        (matlab(X=images(4).astype(np.float64), y=labels(4)), "does not hold 4 images"),
        (matlab(X=images(4).transpose(3, 0, 1, 2), y=labels(4)), "does not hold 4 images"),
        (matlab(X=images(4), y=labels(4) - 1), "has labels other than 1 to 10"),
        (matlab(X=images(4), y=labels(4) + 1), "has labels other than 1 to 10"),
    ],
)
def test_a_file_of_another_form_is_refused(put: Put, content: bytes, says: str):
    """Not MATLAB, cut, incomplete, of another shape or type, or with other labels."""
    put("TEST", content, 4)
    with pytest.raises(DataError, match=rf"test_32x32\.mat {says}"):
        Svhn().test()


def test_another_file_of_that_name_is_refused(folder: Path):
    """The official checksum is asked for."""
    placed(b"anything", TEST.remote.name, folder)
    with pytest.raises(DataError, match="is not the file that task 'svhn' needs"):
        Svhn().test()
