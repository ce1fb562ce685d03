"""CIFAR-10, from either of the two official archives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ticketbench import DataError, Remote, Shapes, Sizes, Split, data_folder, option, verified_file
from ticketbench_tasks.archives import read_members
from ticketbench_tasks.images import (
    CROP_AND_FLIP_DRAWS,
    ImageClassification,
    black,
    crop_and_flip,
    held_out,
    normalised,
)
from ticketbench_tasks.inert_pickle import bytes_of, read_pickle

IMAGES_PER_FILE = 10_000
PIXELS = 3 * 32 * 32
MEMBER_BYTES = 64_000_000
"""More than twice the largest member of either archive."""

MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)


def read_binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pixels of records of 1 + 3072 bytes: the label, then the red, green and blue planes, row by row."""
    if len(content) % (1 + PIXELS):
        raise ValueError(f"{len(content):,} bytes are not whole records of {1 + PIXELS}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 0], records[:, 1:]


def read_python(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pixels of a pickle of {b"labels": list, b"data": (images, 3072) bytes, …}; it is not executed."""
    batch = read_pickle(content)
    labels = batch.get(b"labels") if isinstance(batch, dict) else None
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise ValueError("there is no list of labels")
    return np.array(labels, dtype=np.uint8), bytes_of(batch.get(b"data"), PIXELS)


@dataclass(frozen=True)
class Archive:
    """One of the two official forms: where it comes from, what is in it, and how a member is read."""

    remote: Remote
    training: tuple[str, ...]
    test: str
    read: Callable[[bytes], tuple[np.ndarray, np.ndarray]]


BINARY = Archive(
    Remote(
        "cifar-10-binary.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        size=170_052_171,
    ),
    tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    "cifar-10-batches-bin/test_batch.bin",
    read_binary,
)
PYTHON = Archive(
    Remote(
        "cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        size=170_498_071,
    ),
    tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
    "cifar-10-batches-py/test_batch",
    read_python,
)


@dataclass(frozen=True)
class Cifar10(ImageClassification):
    """50,000 training and 10,000 test images of 32 × 32 pixels in ten classes, in the order of the official files.

    Inputs are (x/255 − mean) / deviation with the usual mean and deviation of each channel. The validation split is
    a fixed share of the training images. Augmentation: a crop from the image with four black pixels around it, and
    a mirror image half of the time. Both archives hold the same images; the binary one is read unless the user has
    only the Python one.
    """

    name = "cifar10"
    summary = "32×32 colour images in ten classes"
    reference = "Krizhevsky 2009, Learning multiple layers of features from tiny images"

    validation: float = option(0.1, "share of the training images set aside to validate", at_least=0, at_most=0.9)
    augmentation: bool = option(True, "train on random crops and mirror images")
    data_seed: int = option(42, "which training images are set aside", at_least=0)

    @property
    def augment_draws(self) -> int:  # type: ignore[override]  # of the class in the contract, here by an option
        """Three numbers an image, if it is augmented at all."""
        return CROP_AND_FLIP_DRAWS if self.augmentation else 0

    def files(self) -> Sequence[Remote]:
        """The archive that is read."""
        return (archive().remote,)

    def shapes(self) -> Shapes:
        """Images of three colours, and ten classes."""
        return Shapes((3, 32, 32), 10)

    def sizes(self) -> Sizes:
        """How many images each split has, known without the files."""
        total = len(BINARY.training) * IMAGES_PER_FILE
        held = int(total * self.validation)
        return Sizes(total - held, held, IMAGES_PER_FILE)

    def training(self) -> tuple[Split, Split]:
        """The five training batches, split at random once and for all."""
        source = archive()
        return held_out(read(source, source.training), self.sizes().validation, self.data_seed, "cifar10 split")

    def test(self) -> Split:
        """The images of the official test batch."""
        source = archive()
        return read(source, [source.test])

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """Crop and flip; the margin is black."""
        return crop_and_flip(inputs, uniforms, black(MEAN, DEVIATION))


def archive() -> Archive:
    """The Python archive if the user has that one only, else the binary one."""
    folder = data_folder()
    there = [form for form in (BINARY, PYTHON) if (folder / form.remote.name).is_file()]
    return there[0] if there else BINARY


def read(source: Archive, members: Sequence[str]) -> Split:
    """The images of some members of a verified archive."""
    path = verified_file(source.remote, Cifar10.name)
    contents = read_members(path, members, MEMBER_BYTES)
    labels, pixels = [], []
    for member in members:
        try:
            label_b, pixel_bp = source.read(contents[member])
        except ValueError as error:
            raise DataError(f"'{member}' in {path} is not a batch of CIFAR-10: {error}") from None
        if len(label_b) != IMAGES_PER_FILE or len(pixel_bp) != IMAGES_PER_FILE or label_b.max() > 9:
            raise DataError(f"'{member}' in {path} does not hold {IMAGES_PER_FILE:,} images of the classes 0 to 9")
        labels.append(label_b)
        pixels.append(pixel_bp)
    pixels_bchw = torch.from_numpy(np.concatenate(pixels).reshape(-1, 3, 32, 32))
    return Split(normalised(pixels_bchw, MEAN, DEVIATION), torch.from_numpy(np.concatenate(labels)).long())
