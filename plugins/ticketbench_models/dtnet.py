"""DT-Net: a deep thinking network that solves harder problems by thinking longer."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from ticketbench import Model, Shapes, Tape, option
from ticketbench_models.thinkers import DeepThinker
from ticketbench_models.thinking_fleet import stacked_thinker
from ticketbench_models.thinking_tape import thinking_tape


@dataclass(frozen=True)
class Progressive(Model):
    """What deep thinking networks share: the progressive loss, and the sweep over iterations.

    Training minimises (1−α)·CE after all iterations + α·CE of the progressive output: n uniform in 0..m−1
    iterations without gradient, then k uniform in 1..m−n with (m = iterations). n and k are common to all cells
    at a step. A fleet computes both in one pass that is written by hand (`thinking.py`); networks with a norm, or with
    blocks of their own for every iteration, are stacked by `vmap`.
    """

    sweeps = "iterations"
    unprunable: ClassVar[tuple[str, ...]] = ("projection.weight", "head3.weight")

    width: int = option(128, "channels", at_least=2)
    iterations: int = option(30, "iterations in training", at_least=1)
    recall: bool = option(True, "whether every iteration sees the problem again")
    alpha: float = option(1.0, "weight of the progressive loss", at_least=0.0, at_most=1.0)
    norm: bool = option(False, "a group norm (4 groups, no parameters) after each convolution of a block")

    def __post_init__(self) -> None:
        if self.norm and self.width % 4:
            raise ValueError(f"width {self.width} does not divide into the 4 groups of the norm")

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """Everything but the projection and the end of the head."""
        return [name for name in super().prunable(module) if name not in self.unprunable]

    def training_call(self, draws: random.Random) -> Mapping[str, Any]:
        """n and k of this step."""
        if self.alpha == 0:
            return {}
        start = draws.randrange(self.iterations)
        return {"full": self.alpha < 1, "start": start, "steps": draws.randint(1, self.iterations - start)}

    def loss(self, outputs: Any, targets: Tensor, inputs: Tensor, criterion: Callable[..., Tensor]) -> Tensor:
        """(1−α) times the criterion after all iterations, plus α times that of the progressive output."""
        if self.alpha == 0:
            return criterion(outputs, targets, inputs)
        loss = self.alpha * criterion(outputs["progressive"], targets, inputs)
        return loss + (1 - self.alpha) * criterion(outputs["full"], targets, inputs) if "full" in outputs else loss

    def stacked(self, module: nn.Module) -> Callable[..., Any] | None:
        """One hand-written pass over the iterations of all members; None with a norm or with blocks of their own."""
        assert isinstance(module, DeepThinker)
        return None if self.norm or module.untied else stacked_thinker(module)

    def tape(self, module: nn.Module, inputs: Sequence[int], call: Mapping[str, Any]) -> Tape | None:
        """All iterations one after the other; None with a norm."""
        assert isinstance(module, DeepThinker)
        return None if self.norm else thinking_tape(module, inputs, call, self.alpha)

    def sweep_call(self, points: Sequence[int]) -> Mapping[str, Any]:
        """The head at these iterations only."""
        return {"at": tuple(points)}


@dataclass(frozen=True)
class DTNet1D(Progressive):
    """Projection 1→w, ReLU; repeated: [recall conv (w+1)→w, ReLU, 2 basic blocks]; head w→w→w/2→2.

    Every convolution has k = 3, padding 1 and no bias. Recall concatenates the thought with the problem at each
    iteration; by linearity the problem's share of that convolution is computed once. The projection and the last
    head convolution are not prunable. The loss is that of `Progressive`.

    Deviation: the text of the paper says α = 0.01 for prefix sums, its configurations say 1; 1 is the default.
    """

    name = "dtnet1d"
    summary = "the recurrent deep thinking network for strings"
    reference = "Bansal et al. 2022 (arXiv 2202.05826); You and Yu, lottery initialization of deep recurrent networks"

    width: int = option(400, "channels", at_least=2)

    def build(self, shapes: Shapes) -> nn.Module:
        """A deep thinker in one dimension, whose head narrows from w to w/2."""
        return DeepThinker(
            1,
            shapes.inputs[0],
            shapes.outputs,
            self.width,
            (self.width, self.width // 2),
            iterations=self.iterations,
            recall=self.recall,
            recall_relu=True,
            norm=self.norm,
        )


@dataclass(frozen=True)
class DTNet2D(Progressive):
    """Projection 3→w, ReLU; repeated: [recall conv (w+3)→w, 2 basic blocks]; head w→32→8→2.

    Every convolution is 3×3 with padding 1 and no bias; other than in one dimension, no ReLU follows the recall
    convolution. The projection and the last two head convolutions are not prunable. The loss is that of
    `Progressive`, with α = 0.01 for mazes.
    """

    name = "dtnet2d"
    summary = "the recurrent deep thinking network for images"
    reference = "Bansal et al. 2022 (arXiv 2202.05826); You and Yu, lottery initialization of deep recurrent networks"
    unprunable = ("projection.weight", "head2.weight", "head3.weight")

    alpha: float = option(0.01, "weight of the progressive loss", at_least=0.0, at_most=1.0)

    def build(self, shapes: Shapes) -> nn.Module:
        """A deep thinker in two dimensions, whose head narrows to 32 and to 8."""
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
        )
