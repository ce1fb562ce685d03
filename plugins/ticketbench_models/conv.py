"""Conv-2, Conv-4 and Conv-6: small VGG-like networks for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ticketbench import Model, OptionError, Shapes


@dataclass(frozen=True)
class BlocksOfTwo(Model):
    """What the three share: blocks of conv, ReLU, conv, ReLU, 2×2 max pool; then linear 256, ReLU, 256, ReLU, outputs.

    Convolutions are 3×3 with padding 1; everything has biases.
    """

    widths: ClassVar[tuple[int, ...]]
    """Channels of each block."""

    def build(self, shapes: Shapes) -> nn.Module:
        """The blocks and the three linear layers, for images whose sides the poolings can halve."""
        if len(shapes.inputs) != 3:
            raise OptionError(
                f"'{self.name}' takes images (channels, height, width), not inputs of shape {shapes.inputs}"
            )
        channels, height, width = shapes.inputs
        shrink = 2 ** len(self.widths)
        if min(height, width) < shrink:
            raise OptionError(
                f"'{self.name}' cannot take images of {height}×{width} pixels: nothing would be left after"
                f" {len(self.widths)} poolings. It takes at least {shrink} pixels a side."
            )
        layers: list[nn.Module] = []
        for block in self.widths:
            layers += [nn.Conv2d(channels, block, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(block, block, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels = block
        features = channels * (height // shrink) * (width // shrink)
        layers += [nn.Flatten(), nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(256, shapes.outputs))

    def stacked(self, module: nn.Module) -> Callable[..., Tensor]:
        """Member after member on a CPU, which a member's convolutions fill; grouped convolutions elsewhere."""

        def single(weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
            outputs: Tensor = functional_call(module, weights, (inputs,))
            return outputs

        def forward(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
            if inputs.device.type != "cpu":
                return vmap(single)(dict(parameters), inputs)
            apart = {name: weight.unbind(0) for name, weight in parameters.items()}
            members = range(len(inputs))
            return torch.stack(
                [single({name: parts[at] for name, parts in apart.items()}, inputs[at]) for at in members]
            )

        return forward


@dataclass(frozen=True)
class Conv2(BlocksOfTwo):
    """One block of 64 channels: 4,300,992 weights on 32×32 RGB images in ten classes."""

    name = "conv2"
    summary = "two convolutions and three linear layers"
    reference = "Frankle and Carbin 2019 (arXiv 1803.03635), figure 2"
    widths = (64,)


@dataclass(frozen=True)
class Conv4(BlocksOfTwo):
    """Blocks of 64 and 128 channels: 2,425,024 weights on 32×32 RGB images in ten classes."""

    name = "conv4"
    summary = "four convolutions and three linear layers"
    reference = "Frankle and Carbin 2019 (arXiv 1803.03635), figure 2"
    widths = (64, 128)


@dataclass(frozen=True)
class Conv6(BlocksOfTwo):
    """Blocks of 64, 128 and 256 channels: 2,261,184 weights on 32×32 RGB images in ten classes."""

    name = "conv6"
    summary = "six convolutions and three linear layers"
    reference = "Frankle and Carbin 2019 (arXiv 1803.03635), figure 2"
    widths = (64, 128, 256)
