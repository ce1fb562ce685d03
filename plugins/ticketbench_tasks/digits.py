"""The small handwritten digits that scikit-learn brings along: real images, and nothing to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ticketbench import Shapes, Sizes, Split, generator, option
from ticketbench_tasks.images import ImageClassification

IMAGES = 1_797
CLASSES = 10
SIDE = 8
BRIGHTEST = 16
TRAIN_OF_CLASS, VALIDATION_OF_CLASS = 120, 20

MEAN, DEVIATION = 0.3061, 0.3765
"""Of the training pixels."""


@dataclass(frozen=True)
class Digits(ImageClassification):
    """1,797 images of 8 × 8 grey pixels of 0 to 16, with a handwritten digit each.

    The split is fixed: 120 images of each digit to train, 20 to validate, and all others, 34 to 43 of each and 397
    together, to test. They are drawn at random once and for all, so that a test image can be of a writer whose other
    images are trained on. (scikit-learn holds the test part of the original data, 5,620 images, alone.) Inputs are
    (x/16 − mean) / deviation: "standard" takes those of the training pixels, 0.3061 and 0.3765, "unit" 0 and 1, so
    that inputs lie in [0, 1]. Convolutional networks with several poolings need larger images: `scale` repeats each
    pixel in both directions.
    """

    name = "digits"
    summary = "8×8 grey images of handwritten digits; nothing to fetch"
    reference = "Alpaydin and Kaynak 1998, Optical recognition of handwritten digits; the copy in scikit-learn"

    normalisation: Literal["standard", "unit"] = option("standard", "that of the training pixels, or [0, 1]")
    scale: int = option(1, "how often each pixel is repeated in both directions", at_least=1, at_most=8)

    def shapes(self) -> Shapes:
        """One channel in, ten digits."""
        return Shapes((1, SIDE * self.scale, SIDE * self.scale), CLASSES)

    def sizes(self) -> Sizes:
        """1,200 images to train, 200 to validate, and 397 to test."""
        train, validation = CLASSES * TRAIN_OF_CLASS, CLASSES * VALIDATION_OF_CLASS
        return Sizes(train, validation, IMAGES - train - validation)

    def training(self) -> tuple[Split, Split]:
        """The same number of each digit in both."""
        cut = TRAIN_OF_CLASS + VALIDATION_OF_CLASS
        return self.read(slice(0, TRAIN_OF_CLASS)), self.read(slice(TRAIN_OF_CLASS, cut))

    def test(self) -> Split:
        """All images that are neither trained nor validated on."""
        return self.read(slice(TRAIN_OF_CLASS + VALIDATION_OF_CLASS, None))

    def read(self, drawn: slice) -> Split:
        """A range of each digit's images in a fixed random order; the result keeps the order of the file."""
        from sklearn.datasets import load_digits  # the only user of this module's slowest import

        content = load_digits()
        labels_b = torch.from_numpy(content.target).long()
        draws = generator("digits split")
        chosen = []
        for digit in range(CLASSES):
            (images,) = torch.where(labels_b == digit)
            chosen.append(images[torch.randperm(len(images), generator=draws)][drawn])
        index = torch.cat(chosen).sort().values
        pixels_bchw = torch.from_numpy(content.images)[index].float().unsqueeze(1) / BRIGHTEST
        mean, deviation = (MEAN, DEVIATION) if self.normalisation == "standard" else (0.0, 1.0)
        inputs_bchw = ((pixels_bchw - mean) / deviation).repeat_interleave(self.scale, 2)
        return Split(inputs_bchw.repeat_interleave(self.scale, 3), labels_b[index])
