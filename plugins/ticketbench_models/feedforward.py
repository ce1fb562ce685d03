"""The feed-forward counterparts of the deep thinking networks: as deep, but no block is used twice."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ticketbench import Shapes, option
from ticketbench_models.dtnet import Progressive
from ticketbench_models.thinkers import DeepThinker


@dataclass(frozen=True)
class FeedForward1D(Progressive):
    """DT-Net 1D with two blocks of its own for each of `iterations`; the recall convolution stays shared.

    Its depth is its budget: it is judged at `iterations` only. As in the authors' code, no ReLU follows the recall.
    """

    name = "feedforward1d"
    summary = "a feed-forward network as deep as DT-Net 1D"
    reference = "Bansal et al. 2022 (arXiv 2202.05826), section 4"
    sweeps = ""

    width: int = option(400, "channels", at_least=2)

    def build(self, shapes: Shapes) -> nn.Module:
        """A deep thinker in one dimension with blocks of its own for every iteration."""
        return DeepThinker(
            1,
            shapes.inputs[0],
            shapes.outputs,
            self.width,
            (self.width, self.width // 2),
            iterations=self.iterations,
            recall=self.recall,
            recall_relu=False,
            norm=self.norm,
            untied=True,
        )


@dataclass(frozen=True)
class FeedForward2D(Progressive):
    """DT-Net 2D with two blocks of its own for each of `iterations`; the recall convolution stays shared."""

    name = "feedforward2d"
    summary = "a feed-forward network as deep as DT-Net 2D"
    reference = "Bansal et al. 2022 (arXiv 2202.05826), section 4"
    sweeps = ""
    unprunable = ("projection.weight", "head2.weight", "head3.weight")

    alpha: float = option(0.01, "weight of the progressive loss", at_least=0.0, at_most=1.0)

    def build(self, shapes: Shapes) -> nn.Module:
        """A deep thinker in two dimensions with blocks of its own for every iteration."""
        return DeepThinker(
            2,
            shapes.inputs[0],
            shapes.outputs,
            self.width,
            (32, 8),
            iterations=self.iterations,
            recall=self.recall,
            recall_relu=False,
            norm=self.norm,
            untied=True,
        )
