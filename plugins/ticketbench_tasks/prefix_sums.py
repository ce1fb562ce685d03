"""Prefix sums: the running parity of a bit string, a reasoning task whose difficulty is its length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, generator, option

UNIQUE_BELOW = 62
"""Longer strings are not checked for duplicates: 20,000 of 2^62 meet with a chance of 10^-11."""


@dataclass(frozen=True)
class PrefixSums(Task):
    """Input x in {−½, +½}^L, target y_i = (b_1 + … + b_i) mod 2 with b = x + ½.

    Strings are uniform and distinct, also between the splits. The validation split is a fixed share of the training
    strings; the choosing split, on which a budget of judging may be chosen, are strings that come after those of the
    test. A sample counts as correct only when every bit of it is right.
    """

    name = "prefix_sums"
    summary = "the cumulative sum modulo 2 of a random bit string"
    reference = "Schwarzschild et al. 2021 (arXiv 2108.06011), section 2.1"
    cross_entropy = "mean"

    length: int = option(32, "bits in a string", at_least=1)
    examples: int = option(10_000, "training and validation strings", at_least=2)
    test_examples: int = option(10_000, "test strings", at_least=1)
    validation: float = option(0.2, "share of the training strings set aside to validate", at_least=0, at_most=0.9)
    data_seed: int = option(42, "which strings are drawn and how they are split", at_least=0)
    choosing_examples: int = option(
        0, "strings to choose a budget on; 0 for a fifth of the test strings, or as many as are left", at_least=0
    )

    def __post_init__(self) -> None:
        wanted, there = self.examples + self.test_examples + self.choosing_examples, 2**self.length
        if self.length < UNIQUE_BELOW and wanted > there:
            raise ValueError(f"{wanted} distinct strings of {self.length} bits do not exist (there are {there})")

    def shapes(self) -> Shapes:
        """(1, L) in, two classes a position out."""
        return Shapes((1, self.length), 2)

    def sizes(self) -> Sizes:
        """How many strings each split has, as the options say."""
        held_out = int(self.examples * self.validation)
        return Sizes(self.examples - held_out, held_out, self.test_examples, self.chosen_on)

    @property
    def chosen_on(self) -> int:
        """How many strings the choosing split has."""
        left = 2**self.length - self.examples - self.test_examples
        return self.choosing_examples or min(math.ceil(self.test_examples / 5), left)

    def training(self) -> tuple[Split, Split]:
        """The first strings, split at random once and for all."""
        both = as_split(self.bits()[: self.examples])
        order = torch.randperm(self.examples, generator=generator(self.data_seed, "prefix sums split"))
        cut = self.sizes().train
        return (
            Split(both.inputs[order[:cut]], both.targets[order[:cut]]),
            Split(both.inputs[order[cut:]], both.targets[order[cut:]]),
        )

    def test(self) -> Split:
        """The strings after those of training."""
        return as_split(self.bits()[self.examples : self.examples + self.test_examples])

    def choosing(self) -> Split:
        """The strings after those of the test."""
        return as_split(self.bits()[self.examples + self.test_examples :])

    def bits(self) -> Tensor:
        """All strings of all splits, (strings, L) of 0 and 1. Those of the last split do not change what is before."""
        source = generator(self.data_seed, "prefix sums", self.length)
        count = self.examples + self.test_examples + self.chosen_on
        if self.length >= UNIQUE_BELOW:
            return torch.randint(0, 2, (count, self.length), generator=source)
        numbers = torch.empty(0, dtype=torch.int64)
        while len(numbers) < count:
            more = torch.randint(0, 2**self.length, (count,), generator=source)
            numbers = distinct(torch.cat([numbers, more]))
        return numbers[:count, None] >> torch.arange(self.length - 1, -1, -1) & 1

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The cross-entropy of the sums, the mean over all positions."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Whole strings right, and bits right."""
        right = outputs.argmax(dim=1) == targets
        return {"accuracy": right.all(dim=1).float(), "bit_accuracy": right.float().mean(dim=1)}


def distinct(numbers: Tensor) -> Tensor:
    """The numbers without repetitions, in the order of their first appearance."""
    _, inverse = torch.unique(numbers, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(numbers)).scatter_reduce(
        0, inverse, torch.arange(len(numbers)), "amin"
    )
    return numbers[first.sort().values]


def as_split(bits: Tensor) -> Split:
    """Strings of 0 and 1 as inputs of ±½ and their running parity."""
    return Split((bits.float() - 0.5).unsqueeze(1), bits.cumsum(dim=1) % 2)
