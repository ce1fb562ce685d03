"""ResNet-50: residual blocks with a bottleneck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, Shapes, option
from ticketbench_models.images import image_of

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Bottleneck width and blocks of each stage."""
EXPANSION = 4
SMALLEST = {"cifar": 8, "imagenet": 32}
"""Pixels a side for which the last stage sees a pixel, by stem."""


class Bottleneck(nn.Module):
    """1×1 conv to `width`, 3×3 conv, 1×1 conv to 4·width, each normed, with ReLU between; + shortcut; ReLU.

    The shortcut is a normed 1×1 convolution where shapes change. The stride is that of the 3×3 convolution.
    """

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, image: Tensor) -> Tensor:
        """The three convolutions, added to the shortcut."""
        inner = functional.relu(self.norm1(self.conv1(image)))
        inner = functional.relu(self.norm2(self.conv2(inner)))
        return functional.relu(self.norm3(self.conv3(inner)) + self.shortcut(image))


@dataclass(frozen=True)
class ResNet50(Model):
    """A stem of 64 channels, stages of 3, 4, 6 and 3 bottleneck blocks, the mean over all positions, a linear layer.

    The bottlenecks are 64, 128, 256 and 512 wide and their blocks four times that; each stage but the first halves
    the image. stem = "imagenet": a 7×7 convolution of stride 2, norm, ReLU, and 3×3 max pooling of stride 2:
    25,557,032 parameters in 1,000 classes, 25,502,912 of them weights. stem = "cifar": a 3×3 convolution of stride 1,
    norm and ReLU: 23,520,842 parameters in ten classes, 23,467,712 of them weights.

    Deviation: a stage's first block has its stride in the 3×3 convolution, as is usual since; the paper's has it in
    the 1×1 convolution before.
    """

    name = "resnet50"
    summary = "a residual network of 50 layers with bottlenecks"
    reference = "He et al. 2016, Deep residual learning for image recognition (arXiv 1512.03385), table 1"

    stem: Literal["imagenet", "cifar"] = option("imagenet", "7×7 of stride 2 and pooling, or 3×3 of stride 1")

    def build(self, shapes: Shapes) -> nn.Module:
        """Layers and blocks in a row."""
        channels, _, _ = image_of(shapes, SMALLEST[self.stem], f"'{self.name}' with stem = '{self.stem}'")
        if self.stem == "imagenet":
            stem = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
            layers: list[nn.Module] = [stem, nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]
        else:
            layers = [nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        inputs = 64
        for stage, (width, blocks) in enumerate(STAGES):
            for block in range(blocks):
                layers.append(Bottleneck(inputs, width, stride=2 if stage and not block else 1))
                inputs = EXPANSION * width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, shapes.outputs))
