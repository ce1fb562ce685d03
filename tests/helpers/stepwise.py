"""A tiny network trained step by step in NumPy, with masks, optimizer slots and averages, to hold a trial against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from trainings import trainings

from ticketbench import Method, Trial, generator
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import GivenExamples, GivenNetwork, carry_out, optimizer_of, trial_for

Array = NDArray[np.float64]
Bits = NDArray[np.bool_]
NAMES = ("1.weight", "3.weight")
EXAMPLES = 24
STEPS = 40
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "adam": {"optimizer": "adam", "learning_rate": 1e-2},
}


def exact_trial(tiny_suite, cells_of, trial_of, row: str, optimizer: str = "sgd") -> Trial:
    """A 6-8-3 network without biases in float64 at density ½; 40 steps on all 24 examples at once."""
    path = tiny_suite(
        ('"blobs"', f'{{ name = "blobs", examples = {EXAMPLES} }}'),
        ("hidden = [8]", "hidden = [8], bias = false"),
        ('["dense", "magnitude"]', f'["{row}"]'),
    )
    _, cells = cells_of(path)
    single = trial_of(cells[0])
    (split,) = single.batches(0, EXAMPLES)
    return trial_for(
        single.scorer,
        model=GivenNetwork(single.module.double()),
        task=GivenExamples(split.inputs.double(), split.targets),
        recipe=Recipe(batch=EXAMPLES, steps=STEPS, log_every=5, **OPTIMIZERS[optimizer]),
        density=single.density,
        seed=single.seed,
    )


def gradient(weights: Sequence[Array], inputs: Array, targets: NDArray[np.int64]) -> list[Array]:
    """The gradient of the mean cross-entropy of two linear layers with ReLU between them, pruned places included."""
    hidden = inputs @ weights[0].T
    logits = np.maximum(hidden, 0) @ weights[1].T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = shares / shares.sum(axis=1, keepdims=True)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ weights[1]) * (hidden > 0)
    return [back.T @ inputs, error.T @ np.maximum(hidden, 0)]


def top(scores: Array, count: int, allowed: Bits) -> Bits:
    """The highest of the allowed places, the lower index first among equals."""
    places = np.flatnonzero(allowed.ravel())
    order = places[np.argsort(-scores.ravel()[places], kind="stable")][:count]
    mask = np.zeros(scores.size, dtype=bool)
    mask[order] = True
    return mask.reshape(scores.shape)


@dataclass
class Reference:
    """The network of an exact trial, trained by hand."""

    inputs: Array
    targets: NDArray[np.int64]
    masks: list[Bits]
    weights: list[Array]
    optimizer: str
    step: int = 0
    slots: dict[str, list[Array]] = field(default_factory=dict)
    averages: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, trial: Trial, optimizer: str = "sgd") -> Reference:
        """As the trial is before its first step."""
        weights = [trial.weights[name].numpy().copy() for name in NAMES]
        kinds = ("momentum_buffer",) if optimizer == "sgd" else ("exp_avg", "exp_avg_sq")
        (split,) = trial.batches(0, EXAMPLES)
        made = cls(
            split.inputs.numpy(),
            split.targets.numpy(),
            [trial.mask[name].numpy() for name in NAMES],
            weights,
            optimizer,
        )
        made.slots = {kind: [np.zeros_like(weight) for weight in weights] for kind in kinds}
        made.averages = [np.zeros_like(weight) for weight in weights]
        return made

    def slopes(self, examples: int = EXAMPLES) -> list[Array]:
        """The dense gradient on the first examples."""
        return gradient(self.weights, self.inputs[:examples], self.targets[:examples])

    def train(self, until: int, decay: float = 0.9) -> None:
        """Steps of SGD with momentum 0.9, or of Adam, on all examples; the average is of the dense gradient."""
        while self.step < until:
            self.step += 1
            for at, slope in enumerate(self.slopes()):
                self.averages[at] = decay * self.averages[at] + (1 - decay) * slope
                self.weights[at] = self.weights[at] - self.move(at, slope * self.masks[at])

    def move(self, at: int, slope: Array) -> Array:
        """What the optimizer takes off the weights of a layer."""
        if self.optimizer == "sgd":
            momenta = self.slots["momentum_buffer"]
            momenta[at] = 0.9 * momenta[at] + slope
            return 0.1 * momenta[at]
        first, second = self.slots["exp_avg"], self.slots["exp_avg_sq"]
        first[at] = 0.9 * first[at] + 0.1 * slope
        second[at] = 0.999 * second[at] + 0.001 * slope**2
        scale = np.sqrt(second[at] / (1 - 0.999**self.step)) + 1e-8
        return 0.01 * first[at] / (1 - 0.9**self.step) / scale

    def put(self, masks: Sequence[Bits]) -> None:
        """Other masks: what is outside becomes zero, with its slots."""
        self.masks = list(masks)
        for state in (self.weights, *self.slots.values()):
            state[:] = [np.where(mask, part, 0) for mask, part in zip(masks, state, strict=True)]

    def check(self, trial: Trial) -> None:
        """The trial's state is this one."""
        slots = optimizer_of(trial).slots
        for at, name in enumerate(NAMES):
            assert np.array_equal(trial.mask[name].numpy(), self.masks[at])
            np.testing.assert_allclose(trial.weights[name].numpy(), self.weights[at], rtol=1e-9, atol=1e-13)
            for kind, state in self.slots.items():
                np.testing.assert_allclose(slots[kind][name].numpy(), state[at], rtol=1e-9, atol=1e-13)


Update = Callable[[Reference], Sequence[Bits]]


def walk(trial: Trial, method: Method, update: Update, optimizer: str = "sgd", decay: float = 0.9) -> list[list[Bits]]:
    """Lead a trial through its method, and a reference beside it with masks of its own; all masks, in order."""
    requests = trainings(method, trial)
    request = next(requests, None)
    reference = Reference.of(trial, optimizer)
    count, seen = sum(int(mask.sum()) for mask in reference.masks), [reference.masks]
    while request is not None:
        reference.train(request.until, decay)
        carry_out(trial, request)
        reference.check(trial)
        reference.put(update(reference))
        seen.append(reference.masks)
        request = next(requests, None)
        reference.check(trial)
        assert sum(int(mask.sum()) for mask in trial.mask.values()) == count
    reference.train(STEPS)
    carry_out(trial, trial.train())
    reference.check(trial)
    return seen


def dropped_and_grown(masks: Sequence[Bits], weights: Sequence[Array], scores: Sequence[Array], fraction: float):
    """In each layer drop the smallest, then grow as many among everything that was not kept."""
    found = []
    for mask, weight, score in zip(masks, weights, scores, strict=True):
        replaced = int(mask.sum() * fraction)
        stays = top(np.abs(weight), int(mask.sum()) - replaced, mask)
        found.append(stays | top(score, replaced, ~stays))
    return found


def draws_of(trial: Trial) -> Callable[[Reference], list[Array]]:
    """The uniform numbers that the trial's seed gives for growing, a layer after the other, update after update."""
    source = generator(trial.seed, "growth")
    return lambda reference: [
        torch.rand(weight.shape, generator=source, dtype=torch.float64).numpy() for weight in reference.weights
    ]


def explored(masks: Sequence[Sequence[Bits]]) -> float:
    """The fraction of all weights that any of the masks keeps."""
    ever = [np.any(layer, axis=0) for layer in zip(*masks, strict=True)]
    return sum(int(layer.sum()) for layer in ever) / sum(layer.size for layer in ever)
