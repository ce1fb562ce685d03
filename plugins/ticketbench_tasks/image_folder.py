"""Images in a folder a class, such as ImageNet's, for those who have them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import DataError, Shapes, Sizes, Split, data_folder, generator, option
from ticketbench_tasks.image_cache import Cut, decoded_images
from ticketbench_tasks.images import ImageClassification

ENDINGS = (".jpg", ".jpeg", ".png")
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
CROP_DRAWS = 5
SHAPES = (3 / 4, 4 / 3)
"""The narrowest and the widest crop, as width over height."""

IMAGENET_CLASSES, IMAGENET_IMAGES = 1000, (1_281_167, 50_000)


@dataclass(frozen=True)
class ImageFolder(ImageClassification):
    """Images root/train/CLASS/*.jpg and root/val/CLASS/*.jpg (or .jpeg, .png); labels are the order of class names.

    The images of `val` are the test split, which is judged; the validation split is a fixed share of those of `train`.
    Every image is decoded once, its shorter side resized to `resize` pixels, and its middle, `size` pixels a side, kept
    as bytes in a file beside the data, which stays on the host: only batches are read from it. That file takes
    3·size² bytes an image, 193 GB for ImageNet's training images. Where the folder is not there, plans count what
    ImageNet has. Inputs are (x/255 − mean) / deviation with
    ImageNet's mean and deviation of each channel. Augmentation is `resized_crop`.

    Deviation: a crop is taken from the middle that was kept, and not from the whole image.
    """

    name = "image_folder"
    summary = "a folder of images a class, such as ImageNet's"
    reference = "Russakovsky et al. 2015, ImageNet large scale visual recognition challenge (arXiv 1409.0575)"
    resident = False

    root: str = option("imagenet", "the folder with train and val; within the data folder unless it is absolute")
    size: int = option(224, "pixels a side of an input", at_least=1)
    resize: int = option(256, "pixels of an image's shorter side before its middle is kept", at_least=1)
    validation: float = option(0.0, "share of the training images set aside to validate", at_least=0, at_most=0.9)
    augmentation: bool = option(True, "train on random resized crops and mirror images")
    smallest_crop: float = option(0.08, "smallest share of an image that a crop shows", at_least=0.001, at_most=1)
    data_seed: int = option(42, "which training images are set aside", at_least=0)

    def __post_init__(self) -> None:
        if self.size > self.resize:
            raise ValueError(f"size {self.size} is more than resize {self.resize}, of which it is the middle")

    @property
    def augment_draws(self) -> int:  # type: ignore[override]  # of the class in the contract, here by an option
        """Five numbers an image, if it is augmented at all."""
        return CROP_DRAWS if self.augmentation else 0

    @property
    def folder(self) -> Path:
        """The folder with train and val."""
        return data_folder() / Path(self.root).expanduser()

    def shapes(self) -> Shapes:
        """RGB in, as many classes as train has."""
        classes = len(self.classes("train")) if self.folder.exists() else IMAGENET_CLASSES
        return Shapes((3, self.size, self.size), classes)

    def sizes(self) -> Sizes:
        """Counted in the folder; no image is read."""
        there = self.folder.exists()
        total, judged = (len(self.listing(part)[0]) for part in ("train", "val")) if there else IMAGENET_IMAGES
        held = int(total * self.validation)
        return Sizes(total - held, held, judged)

    def training(self) -> tuple[Split, Split]:
        """The images of train in an order drawn once and for all: so both splits are parts of one file."""
        files, labels = self.listing("train")
        order = torch.randperm(len(files), generator=generator(self.data_seed, "image_folder split"))
        inputs = self.decoded("train", [files[at] for at in order.tolist()])
        targets = torch.tensor(labels)[order]
        cut = len(files) - int(len(files) * self.validation)
        return Split(inputs[:cut], targets[:cut]), Split(inputs[cut:], targets[cut:])

    def test(self) -> Split:
        """The images of val in the order of their names, class by class."""
        files, labels = self.listing("val")
        return Split(self.decoded("val", files), torch.tensor(labels))

    def decoded(self, part: str, files: Sequence[str]) -> Tensor:
        """The images as bytes, from the cache."""
        return decoded_images(self.folder, files, Cut(self.resize, self.size), part)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Bytes as (x/255 − mean) / deviation, channel by channel."""
        mean, deviation = (torch.tensor(part, device=inputs.device).view(-1, 1, 1) for part in (MEAN, DEVIATION))
        return (inputs.float() / 255).sub_(mean).div_(deviation)

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """A random part of each image in the size of the whole, mirrored half of the time."""
        return resized_crop(inputs, uniforms, self.smallest_crop)

    def classes(self, part: str) -> list[str]:
        """The class folders by name."""
        place = self.folder / part
        try:
            found = sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and entry.name[0] != ".")
        except OSError as error:
            raise DataError(f"{self.needs()}; cannot read {place}: {error.strerror}") from None
        if not found:
            raise DataError(f"{self.needs()}; there is no class folder in {place}")
        return found

    def listing(self, part: str) -> tuple[list[str], list[int]]:
        """All image files of a part, sorted by class and name, and their labels. Both parts have the same classes."""
        classes = self.classes("train")
        differing = sorted(set(classes) ^ set(self.classes(part)))
        if differing:
            raise DataError(f"{self.folder}: the class '{differing[0]}' is in one of train and val alone; both need it")
        files: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(classes):
            here = image_names(self.folder / part / name)
            files += [f"{part}/{name}/{file}" for file in here]
            labels += [label] * len(here)
        return files, labels

    def needs(self) -> str:
        """What must be there, for errors."""
        form = f"{self.folder}/train/CLASS/*.jpg and {self.folder}/val/CLASS/*.jpg (or .jpeg, .png)"
        return f"task '{self.name}' needs images in {form}, which its option 'root' names"


def image_names(folder: Path) -> list[str]:
    """The images in a class folder, sorted by name."""
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(ENDINGS))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from None
    found = [name for name in found if name[0] != "."]
    if not found:
        raise DataError(f"the class folder {folder} holds no image ({', '.join(ENDINGS)}): fill it or remove it")
    return found


def resized_crop(inputs_bchw: Tensor, uniforms_b5: Tensor, smallest: float) -> Tensor:
    """A random part of each image, bilinearly enlarged to the whole, and mirrored half of the time.

    The uniform numbers are the part's area (from `smallest` to 1 of the image's), its width over its height (from 3/4
    to 4/3, evenly in the logarithm), its place down and across, and the flip. A side that would be longer than the
    image is as long as it, where Szegedy et al. 2015 (arXiv 1409.4842) draw again.
    """
    area_b, ratio_b, down_b, across_b, flip_b = uniforms_b5.unbind(1)
    height, width = inputs_bchw.shape[2:]
    share_b = smallest + (1 - smallest) * area_b
    low, high = (math.log(shape) for shape in SHAPES)
    stretch_b = torch.exp(low + (high - low) * ratio_b) * height / width
    wide_b, high_b = (share_b * stretch_b).sqrt().clamp(max=1), (share_b / stretch_b).sqrt().clamp(max=1)
    # in the sampler's coordinates the image reaches from −1 to 1, so that a part is moved by at most what it leaves
    right_b, lower_b = (1 - wide_b) * (2 * across_b - 1), (1 - high_b) * (2 * down_b - 1)
    mirrored_b = torch.where(flip_b < 0.5, -wide_b, wide_b)
    column_w, row_h = (
        (2 * torch.arange(side, device=inputs_bchw.device, dtype=inputs_bchw.dtype) + 1) / side - 1
        for side in (width, height)
    )
    x_bw = mirrored_b[:, None] * column_w + right_b[:, None]
    y_bh = high_b[:, None] * row_h + lower_b[:, None]
    grid_bhw2 = torch.stack([x_bw[:, None].expand(-1, height, -1), y_bh[:, :, None].expand(-1, -1, width)], 3)
    return functional.grid_sample(inputs_bchw, grid_bhw2, padding_mode="border", align_corners=False)
