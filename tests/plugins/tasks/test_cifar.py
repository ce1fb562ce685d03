"""CIFAR-10: small files in the official formats."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import placed
from packing import packed
from python2 import pickled

from ticketbench import DataError, Shapes, Sizes, Task
from ticketbench.plugin.options import configure
from ticketbench_tasks import cifar
from ticketbench_tasks.cifar import BINARY, PYTHON, Cifar10

IMAGES = 4
TRAINING = 5 * IMAGES

Contents = dict[str, bytes]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and four images a file."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(cifar, "IMAGES_PER_FILE", IMAGES)
    return tmp_path / "data"


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pixels of a file; image i of file n begins with the bytes n, i."""
    pixels = np.random.default_rng(number).integers(0, 256, (IMAGES, 3072), dtype=np.uint8)
    pixels[:, 0], pixels[:, 1] = number, np.arange(IMAGES)
    return np.array([(number + at) % 10 for at in range(IMAGES)], dtype=np.uint8), pixels


def binary_contents() -> Contents:
    """1 label byte and 3,072 pixel bytes an image."""
    names = [*BINARY.training, BINARY.test]
    return {name: np.column_stack(batch(number)).tobytes() for number, name in enumerate(names)}


def python_contents() -> Contents:
    """Pickles of protocol 2 with the official keys."""
    found = {}
    for number, name in enumerate([*PYTHON.training, PYTHON.test]):
        labels, pixels = batch(number)
        names = [b"image_%d.png" % at for at in range(IMAGES)]
        label = b"training batch %d of 5" % (number + 1)
        found[name] = pickled({b"batch_label": label, b"labels": labels.tolist(), b"data": pixels, b"filenames": names})
    return found


@pytest.fixture
def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Contents], None]:
    """Put an archive into the data folder and make it the one whose checksum is known."""

    def put(form: str, contents: Contents) -> None:
        archive = {"BINARY": BINARY, "PYTHON": PYTHON}[form]
        made = packed(folder.parent / archive.remote.name, *contents.items()).read_bytes()
        monkeypatch.setattr(cifar, form, replace(archive, remote=placed(made, archive.remote.name, folder)))

    return put


FORMS = [("BINARY", binary_contents), ("PYTHON", python_contents)]


@pytest.mark.parametrize(("form", "contents"), FORMS)
def test_both_archives_are_read(put, folder: Path, form: str, contents: Callable[[], Contents]):
    """Labels and pixels of every file, in order, normalised; nothing is unpacked on the disk."""
    put(form, contents())
    test = Cifar10().test()
    labels, pixels = batch(5)
    assert test.targets.tolist() == labels.tolist()
    assert (test.inputs.dtype, test.targets.dtype) == (torch.float32, torch.int64)
    image = pixels.reshape(IMAGES, 3, 32, 32) / 255
    mean, deviation = np.array(cifar.MEAN).reshape(3, 1, 1), np.array(cifar.DEVIATION).reshape(3, 1, 1)
    torch.testing.assert_close(test.inputs, torch.from_numpy((image - mean) / deviation).float())
    assert os.listdir(folder) == [getattr(cifar, form).remote.name]


def test_a_record_is_a_label_and_three_planes(put):
    """The first record by hand: red is all 255, green 0, blue 255 in its last pixel only."""
    contents = binary_contents()
    record = bytes([7]) + b"\xff" * 1024 + b"\x00" * 2047 + b"\xff"
    contents[BINARY.test] = record + contents[BINARY.test][3073:]
    put("BINARY", contents)
    test = Cifar10().test()
    assert test.targets[0].item() == 7
    red, green, blue = test.inputs[0]
    assert red.flatten().tolist() == pytest.approx([(1 - 0.4914) / 0.2023] * 1024, rel=1e-5)
    assert green.flatten().tolist() == pytest.approx([-0.4822 / 0.1994] * 1024, rel=1e-5)
    assert blue.flatten().tolist() == pytest.approx([-0.4465 / 0.2010] * 1023 + [(1 - 0.4465) / 0.2010], rel=1e-5)


def names_of(inputs: torch.Tensor) -> list[tuple[int, int]]:
    """File and place of each image, from its first two pixels."""
    pixels = inputs[:, 0, 0, :2] * cifar.DEVIATION[0] + cifar.MEAN[0]
    return [tuple(pair) for pair in (pixels * 255).round().int().tolist()]


def test_training_and_validation_are_a_fixed_split_of_the_five_training_files(put):
    """18 + 2 of 20, each once, with its own label; the same from either archive."""
    put("BINARY", binary_contents())
    train, validation = Cifar10().training()
    assert (len(train), len(validation)) == (18, 2)
    found = names_of(train.inputs) + names_of(validation.inputs)
    assert sorted(found) == [(number, at) for number in range(5) for at in range(IMAGES)]
    labels = train.targets.tolist() + validation.targets.tolist()
    assert labels == [(number + at) % 10 for number, at in found]
    os.remove(cifar.data_folder() / BINARY.remote.name)
    put("PYTHON", python_contents())
    for split, other in zip((train, validation), Cifar10().training(), strict=True):
        assert torch.equal(split.inputs, other.inputs)
        assert torch.equal(split.targets, other.targets)
    assert names_of(Cifar10(data_seed=1).training()[0].inputs) != names_of(train.inputs)


def test_the_binary_archive_is_read_if_both_are_there(put):
    """And asked for if none is."""
    assert Cifar10().files() == (BINARY.remote,)
    put("PYTHON", python_contents())
    assert Cifar10().files() == (cifar.PYTHON.remote,)
    put("BINARY", binary_contents())
    assert Cifar10().files() == (cifar.BINARY.remote,)


def test_without_a_file_the_remedy_is_named(folder: Path):
    """Known sizes need no file, and examples do."""
    assert Cifar10(validation=0.5).sizes() == Sizes(10, 10, IMAGES)
    assert Cifar10().shapes() == Shapes((3, 32, 32), 10)
    for read in (Cifar10().training, Cifar10().test):
        with pytest.raises(DataError, match=r"needs the file cifar-10-binary\.tar\.gz .* data fetch cifar10"):
            read()


def test_another_archive_of_that_name_is_refused(folder: Path):
    """The official checksum is asked for; nothing of the file is read."""
    placed(b"anything", BINARY.remote.name, folder)
    with pytest.raises(DataError, match="is not the file that task 'cifar10' needs"):
        Cifar10().test()


def test_the_real_sizes(monkeypatch: pytest.MonkeyPatch):
    """45,000 + 5,000 + 10,000."""
    monkeypatch.undo()
    assert Cifar10().sizes() == Sizes(45_000, 5_000, 10_000)


@pytest.mark.parametrize(("form", "contents"), FORMS)
def test_an_archive_without_a_member_is_refused(put, form: str, contents: Callable[[], Contents]):
    """The third training file is missing; the test file can be read."""
    lacking = contents()
    gone = getattr(cifar, form).training[2]
    del lacking[gone]
    put(form, lacking)
    assert len(Cifar10().test()) == IMAGES
    with pytest.raises(DataError, match=f"lacks {gone}"):
        Cifar10().training()


def test_an_archive_that_leads_elsewhere_is_refused(put):
    """A member above the folder."""
    put("BINARY", {**binary_contents(), "../evil": b""})
    with pytest.raises(DataError, match=r"'\.\./evil' leads out of the archive"):
        Cifar10().test()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x00" * 3073 * IMAGES + b"x", "are not whole records"),
        (b"\x00" * 3073 * (IMAGES - 1), "does not hold 4 images"),
        (b"", "does not hold 4 images"),
        (b"\x0a" * 3073 * IMAGES, "of the classes 0 to 9"),
    ],
)
def test_a_binary_member_of_another_form_is_refused(put, content: bytes, says: str):
    """Cut, short, empty, or with a class 10."""
    put("BINARY", {**binary_contents(), BINARY.test: content})
    with pytest.raises(DataError, match=f"test_batch.bin' in .*{says}"):
        Cifar10().test()


PIXELS = batch(0)[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1, 2], "no list of labels"),
        ({b"data": PIXELS}, "no list of labels"),
        ({b"data": PIXELS, b"labels": [b"a"] * IMAGES}, "no list of labels"),
        ({b"data": PIXELS, b"labels": [-1] * IMAGES}, "no list of labels"),
        ({b"data": PIXELS, b"labels": [10] * IMAGES}, "of the classes 0 to 9"),
        ({b"data": PIXELS, b"labels": [1]}, "does not hold 4 images"),
        ({b"labels": [1] * IMAGES}, "no array"),
        ({b"data": PIXELS[:, :3071], b"labels": [1] * IMAGES}, "rows of 3072"),
        ({b"data": PIXELS.astype(np.int16), b"labels": [1] * IMAGES}, "rows of 3072"),
    ],
)
def test_a_pickle_of_another_form_is_refused(put, value: object, says: str):
    """The right keys, types, shapes and numbers are needed."""
    put("PYTHON", {**python_contents(), PYTHON.test: pickled(value)})
    with pytest.raises(DataError, match=f"test_batch' in .*{says}"):
        Cifar10().test()


def test_a_malicious_pickle_in_the_archive_does_not_run(put, tmp_path: Path):
    """It would make a folder."""

    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    put("PYTHON", {**python_contents(), PYTHON.test: pickle.dumps(Malicious(), protocol=2)})
    with pytest.raises(DataError, match=r"test_batch' in .* it asks for posix\.mkdir, which is refused"):
        Cifar10().test()
    assert not (tmp_path / "made").exists()


def test_augmentation_is_an_option():
    """Three uniform numbers an image, or none; the margin is what a black image is."""
    task = Cifar10()
    assert task.augment_draws == 3
    dark = torch.full((1, 3, 32, 32), 9.0)
    moved = task.augment(dark, torch.tensor([[0.0, 0.5, 0.9]]))  # four rows down, not across, not mirrored
    assert moved[0, :, 4:].unique().tolist() == [9.0]
    expected = [-mean / deviation for mean, deviation in zip(cifar.MEAN, cifar.DEVIATION, strict=True)]
    for plane, value in zip(moved[0, :, :4], expected, strict=True):
        assert plane.flatten().tolist() == pytest.approx([value] * 128, rel=1e-6)
    assert configure(task, {"augmentation": False}, "a test").augment_draws == 0
    assert Task.augment_draws == 0
