"""Wide residual networks: norm and ReLU before each convolution."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, Shapes, option
from ticketbench_models.images import image_of

GROUPS = (16, 32, 64)
"""Channels of each group, times the width."""


class PreActivated(nn.Module):
    """norm, ReLU, 3×3 conv, norm, ReLU, 3×3 conv, + shortcut.

    Where channels change, the shortcut is a 1×1 convolution of what the first ReLU gives, else the input itself.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """The two convolutions, added to the shortcut."""
        active = functional.relu(self.norm1(image))
        inner = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        beside = image if self.shortcut is None else self.shortcut(active)
        outputs: Tensor = inner + beside
        return outputs


@dataclass(frozen=True)
class WideResNet(Model):
    """WRN-depth-width: a 3×3 conv of 16, three groups of (depth − 4)/6 blocks, norm, ReLU, the mean, a linear layer.

    The groups have 16, 32 and 64 channels times `width`; the second and the third halve the image. WRN-22-2 has
    1,079,642 parameters on RGB images in ten classes, 1,076,912 of them weights. The paper's dropout within blocks,
    an option there, is left out.
    """

    name = "wide_resnet"
    summary = "a wide residual network for 32×32 images, WRN-22-2 by default"
    reference = "Zagoruyko and Komodakis 2016, Wide residual networks (arXiv 1605.07146), table 1"

    depth: int = option(22, "layers, 6n + 4", at_least=10)
    width: int = option(2, "times as many channels as in the first residual networks", at_least=1)

    def __post_init__(self) -> None:
        if (self.depth - 4) % 6:
            below = 6 * ((self.depth - 4) // 6) + 4
            raise ValueError(f"depth {self.depth} is not 6n + 4; {below} and {below + 6} are")

    def build(self, shapes: Shapes) -> nn.Module:
        """Layers and blocks in a row."""
        inputs, _, _ = image_of(shapes, 2 ** (len(GROUPS) - 1), f"'{self.name}'")
        layers: list[nn.Module] = [nn.Conv2d(inputs, GROUPS[0], 3, padding=1, bias=False)]
        inputs = GROUPS[0]
        for group, channels in enumerate(GROUPS):
            outputs = channels * self.width
            for block in range((self.depth - 4) // 6):
                layers.append(PreActivated(inputs, outputs, stride=2 if group and not block else 1))
                inputs = outputs
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(inputs, shapes.outputs))
