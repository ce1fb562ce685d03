"""Early-Bird tickets: stop searching when the mask no longer changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from ticketbench import Method, OptionError, Scope, Train, allocate, keep_top, kept_count, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class EarlyBird(Method):
    """Train densely; prune after the first epoch whose mask is close to those of the epochs before.

    After each epoch the mask that pruning would give is drawn, and d = its normalized Hamming distance (the share
    of places that differ) to each of the `window` − 1 masks before it. For masks of weights d is divided by the
    largest share there can be, 2·min(ρ, 1 − ρ) at density ρ: at 5 % any two masks differ in less than a tenth. When
    all are at most `threshold`, the network is pruned by the row's scorer, and the ticket trained from the present
    weights. The largest d of each epoch and the epoch found are noted. If no epoch will do, the network is pruned at
    the end of the schedule, and that is noted.
    by: "magnitude" = the mask of the largest |θ| at the density and scope; "batch_norm" = the channel mask of the
    largest |γ| of all batch-norm scales at the density, which decides when, while the ticket is one of weights.
    then: "continue" = what is left of the schedule, as the authors' script does, so that a cell costs one training;
    "restart" = the whole schedule.
    Deviations: the authors prune channels, put an L1 penalty of 1e-4 on γ while searching, draw the first mask
    before the first epoch, and continue with a fresh optimizer; here the optimizer keeps its slots.
    At density 1 there is nothing to draw.
    """

    name = "early_bird"
    summary = "prune as soon as the mask no longer changes from epoch to epoch"
    reference = "You et al. 2020 (arXiv 1909.11957), Algorithm 1"
    ranks_by = "magnitude"

    by: Literal["magnitude", "batch_norm"] = option("magnitude", "what the mask is drawn by that decides when")
    window: int = option(5, "masks that must agree, the newest included", at_least=2)
    threshold: float = option(0.1, "the largest distance at which masks agree", at_least=0.0, at_most=1.0)
    then: Literal["continue", "restart"] = option("continue", "how the ticket's training goes on")
    scope: Scope = option("global", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Epoch by epoch until the masks agree."""
        if trial.density == 1:
            return
        scales = batch_norm_scales(trial) if self.by == "batch_norm" else ()
        masks: deque[Tensor] = deque(maxlen=self.window)
        for epoch in range(1, trial.total_steps // trial.steps_per_epoch + 1):
            yield trial.train(until=epoch * trial.steps_per_epoch)
            masks.append(channel_mask(trial, scales) if scales else weight_mask(trial, self.scope))
            largest = 1.0 if scales else 2 * min(trial.density, 1 - trial.density)
            distances = [distance(masks[-1], mask) / largest for mask in list(masks)[:-1]]
            if distances:
                trial.note(f"mask distance after epoch {epoch}", max(distances))
            if len(masks) == self.window and max(distances) <= self.threshold:
                trial.note("epoch found", epoch)
                break
        else:
            yield trial.train()
            trial.note("no epoch found", 1)
        trial.prune(scope=self.scope)
        if self.then == "restart":
            trial.restart()

    def trainings(self, density: float) -> float:
        """One, or at most two if the schedule restarts: when the masks agree cannot be known before."""
        return 2.0 if self.then == "restart" and density < 1 else 1.0


def distance(mask: Tensor, other: Tensor) -> float:
    """The share of places in which two masks differ."""
    return int((mask != other).sum()) / mask.numel()


def weight_mask(trial: Trial, scope: str) -> Tensor:
    """The mask of the largest weights, all layers in a row."""
    sizes = {name: weight.abs() for name, weight in trial.weights.items()}
    kept = kept_count(trial.density, trial.total_weights)
    if scope == "global":
        return keep_top(joined(list(sizes.values())), kept)
    counts = allocate(scope, {name: tuple(size.shape) for name, size in sizes.items()}, kept)
    return joined([keep_top(size, counts[name]) for name, size in sizes.items()])


def channel_mask(trial: Trial, scales: Sequence[str]) -> Tensor:
    """The mask of the channels with the largest |γ|, over all batch norms."""
    parameters = trial.parameters
    sizes = joined([parameters[name].abs() for name in scales])
    return keep_top(sizes, max(1, kept_count(trial.density, sizes.numel())))


def batch_norm_scales(trial: Trial) -> tuple[str, ...]:
    """The names of the batch norms' γ."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    names = [f"{name}.weight" for name, part in trial.module.named_modules() if isinstance(part, kinds) and part.affine]
    if not names:
        raise OptionError(
            "by = 'batch_norm' compares the scales of batch norms, and this model has none; "
            "by = 'magnitude' compares weights and works with every model"
        )
    return tuple(names)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """All parts as one vector."""
    return torch.cat([part.flatten() for part in parts])
