"""LeNet-5, the small convolutional network for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, OptionError, Shapes, option, stacked_linear
from ticketbench_models.pooled import pooled_convolution

SMALLEST = 16
"""Rows and columns, padding included, that leave one pixel: 16 → 12 → 6 → 2 → 1."""


@dataclass(frozen=True)
class LeNet5(Model):
    """conv 6 of 5×5, ReLU, 2×2 max pool; conv 16 of 5×5, ReLU, 2×2 max pool; linear 120, ReLU, 84, ReLU, outputs.

    On 28×28 images, padding = 2 is the classic size (61,470 weights and 236 biases) and padding = 0 that of Evci et
    al. (44,190 weights). Only the first convolution is padded.

    Deviation: LeCun's network subsamples by a scaled mean, squashes by tanh, connects the maps of its second
    convolution in part, and ends in radial basis functions; ReLU, max pooling and full connections are what papers on
    pruning call LeNet-5.
    """

    name = "lenet5"
    summary = "two convolutions and three linear layers, with ReLU and max pooling"
    reference = "LeCun et al. 1998; Evci et al. 2022 (arXiv 2010.03533)"

    padding: int = option(2, "zeros around the image, 0 for the smaller variant", at_least=0)

    def build(self, shapes: Shapes) -> nn.Module:
        """The layers one after the other, for images that leave a pixel after the second pooling."""
        if len(shapes.inputs) != 3:
            raise OptionError(f"'lenet5' takes images (channels, height, width), not inputs of shape {shapes.inputs}")
        channels, height, width = shapes.inputs
        if min(height, width) + 2 * self.padding < SMALLEST:
            raise OptionError(
                f"'lenet5' with padding = {self.padding} cannot take images of {height}×{width} pixels: nothing is"
                f" left after its second pooling. It takes at least {SMALLEST - 2 * self.padding} pixels a side, or a"
                f" padding of at least {(SMALLEST - min(height, width) + 1) // 2}."
            )
        rows, columns = (((side + 2 * self.padding - 4) // 2 - 4) // 2 for side in (height, width))
        return nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=self.padding),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * rows * columns, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, shapes.outputs),
        )

    def stacked(self, module: nn.Module) -> Callable[..., Tensor]:
        """The same layers as batched products, with the batch as the last axis up to the first linear one."""
        layers = dict(module.named_children())
        convolutions = {name: int(layer.padding[0]) for name, layer in layers.items() if isinstance(layer, nn.Conv2d)}
        linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]

        def forward(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
            thought = inputs.permute(0, 2, 3, 4, 1).contiguous()
            for name, padding in convolutions.items():
                weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
                thought = pooled_convolution(thought, weight, bias, padding)
            thought = thought.flatten(1, 3).transpose(1, 2)
            for at, name in enumerate(linear):
                thought = functional.relu(thought) if at else thought
                thought = stacked_linear(thought, parameters[f"{name}.weight"], parameters[f"{name}.bias"])
            return thought

        return forward
