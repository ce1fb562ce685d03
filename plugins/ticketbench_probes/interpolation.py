"""What lies on the straight line between two solutions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ticketbench import Points, Probe, option
from ticketbench_probes.forward import evaluated

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Companion, Split, Trial

    State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Interpolation(Probe):
    """Loss and metrics at θ(α) = (1 − α)·θ_a + α·θ_b, from each companion of the same mask (θ_a) to this network (θ_b).

    θ is every trainable parameter. "loss from NAME" and "METRIC from NAME" are curves over α: `points` values from
    `low` to `high`, and 0 and 1, which are always among them. "barrier from NAME" is a number: how far the loss rises
    above the straight line between its ends, max over 0 ≤ α ≤ 1 of L(α) − (1 − α)·L(0) − α·L(1). It is zero where the
    loss between the two never lies above that line, so that both may lie in one basin.

    Loss and metrics are of training examples as they are, not augmented, in evaluation mode and without weight
    decay; the same examples for every α and every companion. Batch-norm statistics are interpolated as the parameters
    are and not recomputed, so that at 0 and at 1 the networks are the two that were trained; whatever is no
    floating-point number comes from this network. Companions of another mask, or of other shapes, are left out.
    """

    name = "interpolation"
    summary = "training loss and metrics on the line from each companion of the same mask to this solution"
    reference = "Evci et al. 2022 (arXiv 2010.03533), on lottery tickets; Goodfellow et al. 2015 (arXiv 1412.6544)"
    moments = ("trained",)

    low: float = option(-0.2, "the smallest α", at_most=0.0)
    high: float = option(1.2, "the largest α", at_least=1.0)
    points: int = option(29, "how many α, evenly spaced", at_least=2)
    examples: int = option(1000, "training examples the loss is taken over; 0 for the whole training split", at_least=0)
    starts: bool = option(False, "from companions whose name ends in 'start', too")

    def measure(self, trial: Trial) -> Mapping[str, float | Points]:
        """Curves and a barrier for each companion."""
        examples = next(trial.batches(1, self.examples) if self.examples else trial.batches(0, sys.maxsize))
        found: dict[str, float | Points] = {}
        for name, other in trial.companions.items():
            if (self.starts or name.split()[-1:] != ["start"]) and comparable(trial, other):
                curves = self.line(trial, other, examples)
                found[f"barrier from {name}"] = barrier(curves["loss"])
                found |= {f"{what} from {name}": Points("alpha", tuple(curve)) for what, curve in curves.items()}
        return found

    def line(self, trial: Trial, other: Companion, examples: Split) -> dict[str, list[tuple[float, float]]]:
        """Loss and metrics -> (α, value) along the line from a companion."""
        module = trial.module
        here = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        evenly = np.linspace(self.low, self.high, self.points).round(9).tolist()
        curves: dict[str, list[tuple[float, float]]] = {}
        for alpha in sorted({*evenly, 0.0, 1.0}):
            weights, buffers = (between(state, here, alpha) for state in (other.weights, other.buffers))
            outputs = evaluated(trial, examples.inputs, weights, buffers)
            values = {**trial.metrics(outputs, examples), "loss": float(trial.criterion(outputs, examples))}
            for what, value in values.items():
                curves.setdefault(what, []).append((alpha, value))
        return curves


def comparable(trial: Trial, other: Companion) -> bool:
    """Whether a companion has the mask of the present network, and parameters of its shapes."""
    own, mask = trial.parameters, trial.mask
    shaped = {name: part.shape for name, part in own.items()} == {n: part.shape for n, part in other.weights.items()}
    return shaped and all(torch.equal(part, other.mask[name]) for name, part in mask.items())


def between(first: State, second: State, alpha: float) -> dict[str, Tensor]:
    """(1 − α)·first + α·second of what is a floating-point number, the second's own of the rest."""
    with torch.no_grad():
        return {
            name: (1 - alpha) * part + alpha * second[name] if part.is_floating_point() else second[name]
            for name, part in first.items()
        }


def barrier(curve: Sequence[tuple[float, float]]) -> float:
    """How far a curve over α that has 0 and 1 rises above the straight line between them."""
    ends = dict(curve)
    return max(value - (1 - at) * ends[0.0] - at * ends[1.0] for at, value in curve if 0 <= at <= 1)
