"""MNIST and Fashion-MNIST: two data sets of the same form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from ticketbench import DataError, Remote, Shapes, Sizes, Split, option, verified_file
from ticketbench_tasks.idx import read_idx
from ticketbench_tasks.images import ImageClassification, held_out, normalised

SIDE = 28


@dataclass(frozen=True)
class Part:
    """Images and their labels: two of the official files."""

    images: Remote
    labels: Remote
    examples: int


@dataclass(frozen=True)
class Source:
    """A data set of 28 × 28 grey pixels: its files, and mean and deviation of its training pixels."""

    train: Part
    test: Part
    mean: float
    deviation: float


MNIST_ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = Source(
    train=Part(
        Remote(
            "train-images-idx3-ubyte.gz",
            f"{MNIST_ADDRESS}train-images-idx3-ubyte.gz",
            sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            size=9_912_422,
            unpacked_sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            unpacked_size=47_040_016,
        ),
        Remote(
            "train-labels-idx1-ubyte.gz",
            f"{MNIST_ADDRESS}train-labels-idx1-ubyte.gz",
            sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            size=28_881,
            unpacked_sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            unpacked_size=60_008,
        ),
        examples=60_000,
    ),
    test=Part(
        Remote(
            "t10k-images-idx3-ubyte.gz",
            f"{MNIST_ADDRESS}t10k-images-idx3-ubyte.gz",
            sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            size=1_648_877,
            unpacked_sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            unpacked_size=7_840_016,
        ),
        Remote(
            "t10k-labels-idx1-ubyte.gz",
            f"{MNIST_ADDRESS}t10k-labels-idx1-ubyte.gz",
            sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            size=4_542,
            unpacked_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            unpacked_size=10_008,
        ),
        examples=10_000,
    ),
    mean=0.1307,
    deviation=0.3081,
)

FASHION_ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION = Source(
    train=Part(
        Remote(
            "fashion-train-images-idx3-ubyte.gz",
            f"{FASHION_ADDRESS}train-images-idx3-ubyte.gz",
            sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            size=26_421_880,
            unpacked_sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            unpacked_size=47_040_016,
        ),
        Remote(
            "fashion-train-labels-idx1-ubyte.gz",
            f"{FASHION_ADDRESS}train-labels-idx1-ubyte.gz",
            sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            size=29_515,
            unpacked_sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            unpacked_size=60_008,
        ),
        examples=60_000,
    ),
    test=Part(
        Remote(
            "fashion-t10k-images-idx3-ubyte.gz",
            f"{FASHION_ADDRESS}t10k-images-idx3-ubyte.gz",
            sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            size=4_422_102,
            unpacked_sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            unpacked_size=7_840_016,
        ),
        Remote(
            "fashion-t10k-labels-idx1-ubyte.gz",
            f"{FASHION_ADDRESS}t10k-labels-idx1-ubyte.gz",
            sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            size=5_148,
            unpacked_sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            unpacked_size=10_008,
        ),
        examples=10_000,
    ),
    mean=0.2860,
    deviation=0.3530,
)


@dataclass(frozen=True)
class Mnist(ImageClassification):
    """60,000 training and 10,000 test images of 28 × 28 grey pixels: a handwritten digit each.

    Inputs are (x/255 − mean) / deviation: "standard" takes those of all training pixels, 0.1307 and 0.3081, "unit"
    0 and 1, so that inputs lie in [0, 1]. The validation split is a fixed share of the training images, none by
    default: papers train on all 60,000.
    """

    name = "mnist"
    summary = "28×28 grey images of handwritten digits"
    reference = "LeCun et al. 1998, Gradient-based learning applied to document recognition"
    source: ClassVar[Source] = MNIST

    normalisation: Literal["standard", "unit"] = option("standard", "that of the training pixels, or [0, 1]")
    validation: float = option(0.0, "share of the training images set aside to validate", at_least=0, at_most=0.9)
    data_seed: int = option(42, "which training images are set aside", at_least=0)

    def files(self) -> Sequence[Remote]:
        """The images and the labels of both official parts, a file each."""
        parts = (self.source.train, self.source.test)
        return [remote for part in parts for remote in (part.images, part.labels)]

    def shapes(self) -> Shapes:
        """One channel in, ten classes."""
        return Shapes((1, SIDE, SIDE), 10)

    def sizes(self) -> Sizes:
        """How many images each split has, known without the files."""
        total = self.source.train.examples
        held = int(total * self.validation)
        return Sizes(total - held, held, self.source.test.examples)

    def training(self) -> tuple[Split, Split]:
        """The training files, split at random once and for all."""
        both = self.read(self.source.train)
        return held_out(both, self.sizes().validation, self.data_seed, f"{self.name} split")

    def test(self) -> Split:
        """The test files; the training files need not be there."""
        return self.read(self.source.test)

    def read(self, part: Part) -> Split:
        """The images and labels of two verified files."""
        labels = verified_file(part.labels, self.name)
        labels_b = read_idx(labels, (part.examples,))
        if labels_b.max() > 9:
            raise DataError(f"{labels} has labels other than 0 to 9")
        pixels_bhw = read_idx(verified_file(part.images, self.name), (part.examples, SIDE, SIDE))
        standard = self.normalisation == "standard"
        mean, deviation = (self.source.mean, self.source.deviation) if standard else (0.0, 1.0)
        pixels_bchw = torch.from_numpy(pixels_bhw).unsqueeze(1)
        return Split(normalised(pixels_bchw, (mean,), (deviation,)), torch.from_numpy(labels_b).long())


@dataclass(frozen=True)
class FashionMnist(Mnist):
    """60,000 training and 10,000 test images of 28 × 28 grey pixels: a piece of clothing each, in ten classes.

    As `mnist` in all but its content; "standard" is 0.2860 and 0.3530. Both data sets name their files alike, so that
    these have `fashion-` before their names in the data folder.
    """

    name = "fashion_mnist"
    summary = "28×28 grey images of clothing in ten classes"
    reference = "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST (arXiv 1708.07747)"
    source: ClassVar[Source] = FASHION
