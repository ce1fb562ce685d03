"""Street View House Numbers, cropped to one digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ticketbench import DataError, Remote, Shapes, Sizes, Split, option, verified_file
from ticketbench_tasks.images import ImageClassification, held_out, normalised

NORMALISATIONS = {
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "channels": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


@dataclass(frozen=True)
class Part:
    """One of the official files."""

    remote: Remote
    examples: int


TRAIN = Part(
    Remote(
        "train_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
        sha256="435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        size=182_040_794,
    ),
    examples=73_257,
)
TEST = Part(
    Remote(
        "test_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
        sha256="cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        size=64_275_384,
    ),
    examples=26_032,
)


@dataclass(frozen=True)
class Svhn(ImageClassification):
    """73,257 training and 26,032 test images of 32 × 32 pixels; the class is the digit in the middle.

    The files store the digit 0 as 10; here class d is digit d. Inputs are (x/255 − mean) / deviation: "half" takes
    ½ for both, "channels" those of the training images. The validation split is a fixed share of the training images.
    The `extra` file is not used.
    """

    name = "svhn"
    summary = "32×32 colour images of house-number digits"
    reference = "Netzer et al. 2011, Reading digits in natural images with unsupervised feature learning"

    normalisation: Literal["half", "channels"] = option("half", "mean and deviation: ½, or those of each channel")
    validation: float = option(0.1, "share of the training images set aside to validate", at_least=0, at_most=0.9)
    data_seed: int = option(42, "which training images are set aside", at_least=0)

    def files(self) -> Sequence[Remote]:
        """The training and the test images, a file each."""
        return (TRAIN.remote, TEST.remote)

    def shapes(self) -> Shapes:
        """Images of three colours, and ten digits."""
        return Shapes((3, 32, 32), 10)

    def sizes(self) -> Sizes:
        """How many images each split has, known without the files."""
        held = int(TRAIN.examples * self.validation)
        return Sizes(TRAIN.examples - held, held, TEST.examples)

    def training(self) -> tuple[Split, Split]:
        """The training file, split at random once and for all."""
        return held_out(self.read(TRAIN), self.sizes().validation, self.data_seed, "svhn split")

    def test(self) -> Split:
        """The test file; the training file need not be there."""
        return self.read(TEST)

    def read(self, part: Part) -> Split:
        """The images of a verified file."""
        from scipy.io import loadmat  # the only user of this module's slowest import

        path = verified_file(part.remote, self.name)
        try:
            content = loadmat(path, variable_names=("X", "y"))
            pixels_hwcb, labels_b1 = content["X"], content["y"]
        except Exception as error:  # a broken file can raise anything
            raise DataError(f"{path} is not a MATLAB file of images X and labels y: {error}") from None
        images = (32, 32, 3, part.examples)
        if pixels_hwcb.shape != images or pixels_hwcb.dtype != np.uint8 or labels_b1.shape != (part.examples, 1):
            raise DataError(f"{path} does not hold {part.examples:,} images of 32×32×3 bytes with a label each")
        if not np.isin(labels_b1, range(1, 11)).all():
            raise DataError(f"{path} has labels other than 1 to 10")
        pixels_bchw = torch.from_numpy(np.ascontiguousarray(pixels_hwcb.transpose(3, 2, 0, 1)))
        digits = torch.from_numpy(labels_b1[:, 0].astype(np.int64)) % 10
        return Split(normalised(pixels_bchw, *NORMALISATIONS[self.normalisation]), digits)
