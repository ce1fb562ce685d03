"""Learning-compression: weights that learn and a sparse copy that they are drawn to, in turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, OptionError, Regime, Train, keep_top, kept_count, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView, Trial

PREFIX = "target of "
"""What stands before a weight's name in the name of what it is drawn to."""


@dataclass(frozen=True)
class Attraction(Regime):
    """½·μ·Σ(θ − a)², over some weights: each is drawn to a place a of its own."""

    names: tuple[str, ...] = ()

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """The places, the weights themselves at first, and μ, which is zero until the method sets it."""
        return {
            **{PREFIX + name: weights[name].clone() for name in self.names},
            "pull": next(iter(weights.values())).new_zeros(()),
        }

    def rate(self, name: str) -> float:
        """They are held, not trained."""
        return 0.0

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        squares = [(step.weights[name] - step.extras[PREFIX + name]).square().sum() for name in self.names]
        return 0.5 * step.extras["pull"] * torch.stack(squares).sum()


@dataclass(frozen=True)
class LearningCompression(Method):
    """Minimize L(w) under w = θ and ‖θ‖₀ ≤ κ, by an augmented Lagrangian: train w, project to θ, and again.

    After a training of the dense network θ holds its κ largest weights, and λ = 0. For μ_k = `first`·`factor`^k,
    k = 0 … `turns` − 1, in a second training of as many stretches of equal length:
    L step: train w on L(w) + ½μ‖w − θ − λ/μ‖²;
    C step: θ = the κ largest |w − λ/μ| over all layers together, and zero elsewhere;
    multipliers: λ ← λ − μ(w − θ).
    At the end θ is the network, and its κ = density · weights places are the mask: exactly κ, ties by index. Biases are
    trained and not compressed. multipliers = false keeps λ = 0, which is the quadratic penalty of the same paper.
    then: "finetune" = θ is trained for another schedule; "stop" = θ is judged as it is, as in the paper, and trained
    only where the protocol trains elsewhere. The dense network is a point of the curve; noted is the "distance"
    ‖w − θ‖/‖w‖ after the last C step.
    Deviations: of the paper's compressions this is the one with ℓ0 as a constraint. μ is never larger than 1/η, η the
    stretch's learning rate: the paper bounds η by 1/μ for the same reason, that a step shall not overshoot θ. The
    schedule, its learning rates too, is the recipe's. At density 1 nothing is compressed, and the network is
    trained once.
    """

    name = "learning_compression"
    summary = "train weights that are drawn to their sparse projection, ever more strongly, with multipliers"
    reference = "Carreira-Perpiñán and Idelbayev 2018 (Learning-compression algorithms for neural net pruning, CVPR)"
    mixes = False

    turns: int = option(30, "alternations of learning and compression", at_least=1)
    first: float = option(1e-4, "μ at the first of them", at_least=1e-12)
    factor: float = option(1.3, "by how much μ grows from one to the next", at_least=1.0)
    multipliers: bool = option(True, "the augmented Lagrangian; without them the quadratic penalty")
    then: Literal["finetune", "stop"] = option("finetune", "what comes after the last projection")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """The reference network, the alternations, and the projected network."""
        if trial.density == 1:
            return
        ends = self.ends(trial.total_steps)
        yield trial.train()
        trial.report()
        trial.restart()
        names, kept = tuple(trial.weights), kept_count(trial.density, trial.total_weights)
        regime = Attraction(names)
        yield trial.train(until=0, regime=regime)  # no step, but from here on there are places to be drawn to
        sparse = projected(trial.weights, kept)
        multipliers = {name: torch.zeros_like(weight) for name, weight in trial.weights.items()}
        for turn, end in enumerate(ends):
            pull = min(self.first * self.factor**turn, 1 / trial.learning_rate())
            places = {PREFIX + name: sparse[name] + multipliers[name] / pull for name in names}
            trial.set_extras({**places, "pull": torch.tensor(pull, dtype=torch.float64)})
            yield trial.train(until=end, regime=regime)
            weights = trial.weights
            sparse = projected({name: weights[name] - multipliers[name] / pull for name in names}, kept)
            if self.multipliers:
                multipliers = {name: multipliers[name] - pull * (weights[name] - sparse[name]) for name in names}
        trial.note("distance", distance(trial.weights, sparse))
        trial.set_weights(sparse)
        trial.prune(scores={name: weight.abs() for name, weight in sparse.items()})
        if self.then == "finetune":
            trial.restart()

    def ends(self, total: int) -> list[int]:
        """The steps at which the stretches of the second training end."""
        if total < self.turns:
            raise OptionError(
                f"turns = {self.turns} do not fit into a schedule of {total} steps: it takes a step a turn at least"
            )
        return [round(total * turn / self.turns) for turn in range(1, self.turns + 1)]

    def trainings(self, density: float) -> float:
        """The reference's, that of all alternations, and one of the sparse network if it is trained."""
        return 1.0 if density == 1 else 2.0 + (self.then == "finetune")


def projected(weights: Mapping[str, Tensor], kept: int) -> dict[str, Tensor]:
    """The nearest weights of which no more than `kept` are not zero: the largest of all layers, ties by index."""
    flat = torch.cat([weight.flatten() for weight in weights.values()])
    nearest = flat.where(keep_top(flat.abs(), kept), 0)
    parts = torch.split(nearest, [weight.numel() for weight in weights.values()])
    return {name: part.view(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


def distance(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """‖w − θ‖ / ‖w‖ over all layers; 0 of weights that are all zero."""
    apart = sum(float((weight - others[name]).double().square().sum()) for name, weight in weights.items())
    length = sum(float(weight.double().square().sum()) for weight in weights.values())
    return (apart / length) ** 0.5 if length else 0.0
