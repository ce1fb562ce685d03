"""Recipes: everything about training that is not the model or the data, typed and frozen."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ticketbench.plugin.options import canonical

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


SCHEDULE = (
    "learning_rate",
    "epochs",
    "steps",
    "schedule",
    "schedule_every",
    "milestones",
    "gamma",
    "warmup",
    "warmup_epochs",
)
"""The fields that, with the batch, decide the learning rate of every step."""
OWN = frozenset((*SCHEDULE, "weight_decay", "select", "validate_every", "log_every"))
"""The fields in which members of one stack may differ."""
PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "nesterov": False,
    "weight_decay": 0.0,
    "decoupled": False,
    "clip": None,
    "learning_rate_factors": {},
    "train_only": (),
    "select": "last",
    "validate_every": 0,
    "log_every": 1,
}
"""Fields that do not decide any learning rate, at one value for all."""


class Recipe(BaseModel):
    """How a network is trained. Times are in epochs unless they say steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    optimizer: Literal["sgd", "adam"]
    learning_rate: Positive
    batch: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    momentum: NotNegative = 0.0
    nesterov: bool = False
    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.0
    decoupled: bool = False
    """False adds the decay to the gradient (L2); True shrinks the weights beside the update (AdamW)."""
    schedule: Literal["constant", "step", "cosine"] = "constant"
    schedule_every: Literal["step", "epoch"] = "step"
    """Whether the cosine and the linear warm-up move every step, or once an epoch."""
    milestones: Annotated[tuple[NotNegative, ...], Field(strict=False)] = ()
    gamma: Positive = 0.1
    warmup: Literal["none", "linear", "exponential"] = "none"
    warmup_epochs: NotNegative = 0.0
    clip: Positive | None = None
    """The gradient norm above which the gradient of a member is scaled down."""
    learning_rate_factors: dict[str, NotNegative] = Field(default_factory=dict)
    """Parameter name pattern -> factor on its learning rate; the first match counts."""
    train_only: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Parameter name patterns; where given, only these are trained, and statistics stay as they are."""
    select: Literal["last", "best"] = "last"
    """Which weights are judged: the last, or those of the best validation since the mask last changed."""
    validate_every: Annotated[int, Field(ge=0)] = 0
    """Epochs between validations; 0 for none (needs to be positive to select the best)."""
    log_every: Annotated[int, Field(ge=1)] = 100
    """Steps between points of the training curve."""
    judge_batch: Annotated[int, Field(ge=1)] = 500

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        if self.select == "best" and not self.validate_every:
            raise ValueError("select = 'best' needs validate_every of 1 or more")
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise ValueError("nesterov needs optimizer = 'sgd' and a momentum")
        if (self.warmup != "none") != bool(self.warmup_epochs):
            raise ValueError("warmup and warmup_epochs belong together")
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError("schedule = 'step' and milestones belong together")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("momentum belongs to optimizer = 'sgd'; Adam has betas")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")
        if self.decoupled and not self.weight_decay:
            raise ValueError("decoupled = true needs a weight_decay")
        return self

    def steps_per_epoch(self, examples: int) -> int:
        """Whole batches in an epoch; a last partial batch is dropped."""
        return max(1, examples // self.batch)

    def total_steps(self, examples: int) -> int:
        """How many steps a whole training takes on so many examples."""
        return self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch(examples)

    def learning_rate_at(self, step: int, examples: int) -> float:
        """The learning rate of a step (counted from 0), warm-up included, group factors not.

        step: ×gamma at each milestone. cosine: ½(1 + cos(π t/T)). Warm-up linear: min(1, (t+1)/W);
        exponential, once an epoch e: 1 − exp(−(e+1)/warmup_epochs).
        """
        per_epoch = self.steps_per_epoch(examples)
        epoch, total = step // per_epoch, self.total_steps(examples)
        rate = self.learning_rate
        if self.schedule == "step":
            rate *= self.gamma ** sum(step >= milestone * per_epoch for milestone in self.milestones)
        elif self.schedule == "cosine":
            at = step if self.schedule_every == "step" else epoch * per_epoch
            rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, at / total)))
        if self.warmup == "exponential":
            rate *= 1 - math.exp(-(epoch + 1) / self.warmup_epochs)
        elif self.warmup == "linear":
            at, length = (step, self.warmup_epochs * per_epoch)
            if self.schedule_every == "epoch":
                at, length = (epoch, self.warmup_epochs)
            rate *= min(1.0, (at + 1) / length)
        return rate

    def factor(self, parameter: str) -> float:
        """What the learning rate is multiplied by for a parameter: the factor of the first pattern that matches."""
        for pattern, factor in self.learning_rate_factors.items():
            if fnmatchcase(parameter, pattern):
                return factor
        return 1.0

    def trains(self, parameter: str) -> bool:
        """Whether a parameter is trained at all."""
        return not self.train_only or any(fnmatchcase(parameter, pattern) for pattern in self.train_only)

    def learning_rates_text(self) -> str:
        """What decides the learning rates, as JSON that a recipe can be made from again: all other fields are plain."""
        return self.model_copy(update=PLAIN).model_dump_json()

    def shared_text(self) -> str:
        """What recipes must agree in for their cells to be trained as one stack, as canonical JSON.

        Learning rates, decay, schedules, lengths, and when somebody looks may differ from cell to cell.
        """
        fields = self.model_dump(mode="json")
        return canonical({name: value for name, value in fields.items() if name not in OWN})

    def text(self) -> str:
        """The recipe as canonical JSON, defaults included: the text that keys of cells are made from."""
        return canonical(self.model_dump(mode="json"))
