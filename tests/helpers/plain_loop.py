"""A small network trained by a plain loop of torch, with something added to the loss, to hold a trial against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Trial
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for

STEPS, EXAMPLES, RATE = 12, 24, 0.1
Penalty = Callable[[Mapping[str, Tensor]], Tensor]
Weights = dict[str, Tensor]


def given_trial(module: nn.Module | None = None, density: float = 0.5, steps: int = STEPS) -> Trial:
    """A trial of a network in float64, by default 6-8-3 with tanh, that takes all 24 examples at every step."""
    source = torch.Generator().manual_seed(5)
    if module is None:
        module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    module = module.double()
    with torch.no_grad():
        for part in module.parameters():
            part.copy_(torch.randn(part.shape, generator=source, dtype=torch.float64) * 0.5)
    inputs = torch.randn(EXAMPLES, 6, generator=source, dtype=torch.float64)
    targets = torch.randint(0, 3, (EXAMPLES,), generator=source)
    recipe = Recipe(optimizer="sgd", momentum=0.9, learning_rate=RATE, batch=EXAMPLES, steps=steps, log_every=steps)
    task = GivenExamples(inputs, targets, outputs=3)
    return trial_for(model=GivenNetwork(module), task=task, recipe=recipe, density=density)


class PlainLoop:
    """SGD with momentum on the mean cross-entropy of all examples, and a penalty of the weights."""

    def __init__(self, trial: Trial) -> None:
        self.module = trial.module
        (split,) = trial.batches(0, EXAMPLES)
        self.inputs, self.targets = split.inputs, split.targets
        self.weights: Weights = trial.parameters
        self.mask: Weights = trial.mask
        self.restart()

    def restart(self) -> None:
        """A fresh optimizer."""
        self.momenta = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}

    def loss(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The mean cross-entropy."""
        outputs = torch.func.functional_call(self.module, dict(weights), self.inputs)
        return functional.cross_entropy(outputs, self.targets)

    def train(self, steps: int, penalty: Penalty | None = None) -> None:
        """So many steps."""
        for _ in range(steps):
            leaves = {name: weight.clone().requires_grad_() for name, weight in self.weights.items()}
            total = self.loss(leaves) + (0 if penalty is None else penalty(leaves))
            slopes = torch.autograd.grad(total, list(leaves.values()))
            for (name, weight), slope in zip(self.weights.items(), slopes, strict=True):
                if name in self.mask:
                    slope = slope * self.mask[name]
                self.momenta[name] = 0.9 * self.momenta[name] + slope
                self.weights[name] = weight - RATE * self.momenta[name]

    def put(self, mask: Weights) -> None:
        """Another mask: what is outside becomes zero, with its momenta."""
        self.mask = mask
        for name, part in mask.items():
            self.weights[name] = self.weights[name] * part
            self.momenta[name] = self.momenta[name] * part

    def check(self, trial: Trial) -> None:
        """The trial has these weights and this mask."""
        for name, part in trial.mask.items():
            assert part.equal(self.mask[name].bool()), name
        for name, weight in trial.parameters.items():
            torch.testing.assert_close(weight, self.weights[name], rtol=1e-8, atol=1e-11, msg=name)


def largest(sizes: Mapping[str, Tensor], count: int) -> Weights:
    """The mask of so many largest sizes of all layers together, found by sorting single numbers."""
    places = [(float(size), name, at) for name, part in sizes.items() for at, size in enumerate(part.flatten())]
    order = sorted(range(len(places)), key=lambda number: (-places[number][0], number))[:count]
    mask = {name: torch.zeros(part.numel(), dtype=torch.bool) for name, part in sizes.items()}
    for number in order:
        _, name, at = places[number]
        mask[name][at] = True
    return {name: part.view(sizes[name].shape) for name, part in mask.items()}
