"""An exact trial's network in plain torch: what a regime changes about a step, written out by whoever tests it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from stepwise import NAMES
from torch import Tensor
from torch.nn.functional import cross_entropy

from ticketbench import Trial, generator

State = dict[str, Tensor]
Seen = Callable[["Plainly", State | None], tuple[Mapping[str, Tensor], Tensor | float]]
"""(the network, the step's noise) -> the weights that the forward sees, and the penalty."""


@dataclass
class Plainly:
    """Two linear layers with ReLU between them, trained on all examples by SGD with momentum 0.9."""

    weights: State
    extras: State
    inputs: Tensor
    targets: Tensor
    seed: int
    step: int = 0
    momenta: State = field(default_factory=dict)

    @classmethod
    def of(cls, trial: Trial, extras: Mapping[str, Tensor]) -> Plainly:
        """As the trial is before its first step, with what is trained beside its weights."""
        (split,) = trial.batches(0, 24)
        own = {name: part.clone() for name, part in extras.items()}
        return cls(dict(trial.weights), own, split.inputs, split.targets, trial.seed)

    def train(self, until: int, seen: Seen, pace: float = 0.0, noise: str = "") -> None:
        """Steps of rate 0.1 for weights, and of `pace` times that for extras; noise is normal or uniform."""
        while self.step < until:
            source = generator(self.seed, "regime", self.step)
            draw = torch.randn if noise == "normal" else torch.rand
            drawn = {name: draw(self.weights[name].shape, generator=source) for name in NAMES} if noise else None
            leaves = {**self.weights, **self.extras}
            moving = {name: leaf.requires_grad_() for name, leaf in leaves.items() if leaf.is_floating_point()}
            weights, penalty = seen(self, drawn)
            outputs = (self.inputs @ weights[NAMES[0]].T).relu() @ weights[NAMES[1]].T
            loss = cross_entropy(outputs, self.targets) + penalty
            slopes = torch.autograd.grad(loss, list(moving.values()), allow_unused=True, materialize_grads=True)
            for (name, leaf), slope in zip(moving.items(), slopes, strict=True):
                self.momenta[name] = 0.9 * self.momenta.get(name, torch.zeros_like(slope)) + slope
                rate = 0.1 if name in self.weights else 0.1 * pace
                home = self.weights if name in self.weights else self.extras
                home[name] = leaf.detach() - rate * self.momenta[name]
            self.step += 1

    def check(self, trial: Trial, rtol: float = 1e-9) -> None:
        """The trial's weights and extras are these."""
        for mine, theirs in ((self.weights, trial.weights), (self.extras, trial.extras)):
            for name, part in mine.items():
                torch.testing.assert_close(theirs[name], part, rtol=rtol, atol=rtol)
