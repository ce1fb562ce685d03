"""Multi-layer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, Shapes, option, stacked_linear


@dataclass(frozen=True)
class MLP(Model):
    """Flatten, then linear layers with ReLU between them; 300-100 is LeCun's LeNet-300-100."""

    name = "mlp"
    summary = "a fully connected network, 300-100 by default"
    reference = "LeCun et al. 1998; Frankle and Carbin 2019 (arXiv 1803.03635)"

    hidden: tuple[int, ...] = option((300, 100), "units of each hidden layer")
    bias: bool = option(True, "whether layers have biases")

    def build(self, shapes: Shapes) -> nn.Module:
        """Linear layers in a row."""
        widths = [math.prod(shapes.inputs), *self.hidden, shapes.outputs]
        layers: list[nn.Module] = [nn.Flatten()]
        for at, (inputs, outputs) in enumerate(pairwise(widths)):
            layers += [nn.ReLU()] if at else []
            layers.append(nn.Linear(inputs, outputs, bias=self.bias))
        return nn.Sequential(*layers)

    def stacked(self, module: nn.Module) -> Callable[..., Tensor]:
        """The same layers as batched products."""
        layers = [name for name, layer in module.named_children() if isinstance(layer, nn.Linear)]

        def forward(parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
            thought = inputs.flatten(2)
            for at, name in enumerate(layers):
                thought = functional.relu(thought) if at else thought
                thought = stacked_linear(thought, parameters[f"{name}.weight"], parameters.get(f"{name}.bias"))
            return thought

        return forward
