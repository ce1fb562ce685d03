"""VGG-16 with batch norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from ticketbench import Model, Shapes, option
from ticketbench_models.images import image_of

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions before each pooling: configuration D of the paper."""
SHRINK = 2 ** len(BLOCKS)
HIDDEN = 4096


@dataclass(frozen=True)
class VGG16(Model):
    """Thirteen 3×3 convolutions, each with batch norm and ReLU, in five blocks that end in 2×2 max pooling; a head.

    head = "linear": the mean over what the poolings leave (one pixel of a 32×32 image), and one linear layer, as is
    usual for CIFAR: 14,728,266 parameters on 32×32 RGB images in ten classes, 14,715,584 of them weights.
    head = "classic": linear 4096, ReLU, linear 4096, ReLU, outputs, on all positions, as for ImageNet: 138,365,992
    parameters on 224×224 RGB images in 1,000 classes, 138,344,128 of them weights.

    Deviations: batch norm after each convolution (Ioffe and Szegedy 2015), which keeps its bias; no dropout in the
    classic head, so that a step draws nothing.
    """

    name = "vgg16"
    summary = "thirteen convolutions with batch norm, and a linear or the classic head"
    reference = "Simonyan and Zisserman 2015 (arXiv 1409.1556), configuration D"

    head: Literal["linear", "classic"] = option("linear", "one linear layer on the mean, or three on all positions")

    def build(self, shapes: Shapes) -> nn.Module:
        """The convolutions in their blocks, then the head."""
        channels, height, width = image_of(shapes, SHRINK, f"'{self.name}'")
        layers: list[nn.Module] = []
        for block in BLOCKS:
            for maps in block:
                layers += [nn.Conv2d(channels, maps, 3, padding=1), nn.BatchNorm2d(maps), nn.ReLU()]
                channels = maps
            layers.append(nn.MaxPool2d(2))
        if self.head == "linear":
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            return nn.Sequential(*layers, nn.Linear(channels, shapes.outputs))
        features = channels * (height // SHRINK) * (width // SHRINK)
        layers += [nn.Flatten(), nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(HIDDEN, shapes.outputs))
