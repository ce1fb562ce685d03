"""Initializers that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from ticketbench import Initializer, OptionError
from ticketbench.testing import UncheckedError, check_initializer


@pytest.mark.parametrize("name", ["default", "glorot", "he", "sparse", "layer_scaled", "orthogonal"])
def test_registered_initializers_keep_the_contract(plugins, name):
    """Sparse-aware ones among them."""
    assert check_initializer(plugins.find("initializer", name)).notes == ()


@dataclass(frozen=True)
class Normal(Initializer):
    """Standard normal weights, to be spoiled."""

    name = "spoiled"
    summary = "for tests"

    def initialize(self, module, mask, generator):
        for parameter in module.parameters():
            self.fill(parameter, generator)

    def fill(self, parameter, generator):
        parameter.normal_(generator=generator)


class Infinite(Normal):
    """1/0."""

    def fill(self, parameter, generator):
        parameter.normal_(generator=generator).view(-1)[0] = torch.inf


class OfTorch(Normal):
    """torch's global generator."""

    def fill(self, parameter, generator):
        parameter.normal_()


class Replaces(Normal):
    """A new parameter in the old one's place."""

    def initialize(self, module, mask, generator):
        for part in module.modules():
            if isinstance(part, nn.Linear):
                part.weight = nn.Parameter(torch.randn(part.weight.shape, generator=generator))


class Grows(Normal):
    """Another width."""

    def initialize(self, module, mask, generator):
        for part in module.modules():
            if isinstance(part, nn.Linear):
                part.weight.data = torch.zeros(12, part.in_features)


class Doubles(Normal):
    """Another type."""

    def initialize(self, module, mask, generator):
        module.double()


class WritesMask(Normal):
    """Prunes on its own account."""

    def initialize(self, module, mask, generator):
        super().initialize(module, mask, generator)
        for kept in mask.values():
            kept.zero_()


class Outside(Normal):
    """Wants to act once the mask is known, and does not look at it."""

    sparse_aware = True


class Crashes(Normal):
    """A misspelt name."""

    def fill(self, parameter, generator):
        parameter.normall_()


@pytest.mark.parametrize(
    ("initializer", "says"),
    [
        (Infinite(), r"leaves 1 of 60 values of '0\.weight' not finite"),
        (OfTorch(), r"other values of '0\.weight' for the same generator, on a linear network: .* `generator=`"),
        (Replaces(), r"puts another parameter in the place of '0\.weight': fill it in place"),
        (Grows(), r"makes '0\.weight' a torch\.float32 of shape \(12, 6\); it was a torch\.float32 of \(10, 6\)"),
        (Doubles(), r"makes '0\.weight' a torch\.float64 of shape \(10, 6\)"),
        (WritesMask(), r"writes into the mask of '0\.weight'"),
        (Outside(), r"is `sparse_aware` and writes \d+ weights of '0\.weight' outside the mask"),
        (Crashes(), r"fails on a linear network: AttributeError: .*normall_.* \(at .*test_initializers\.py:\d+\)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Initializer) else "",
)
def test_every_broken_promise_is_named(initializer, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_initializer(initializer)


class Constant(Normal):
    """One for all."""

    def fill(self, parameter, generator):
        parameter.fill_(0.1)


class Refuses(Normal):
    """Wants transformers."""

    def initialize(self, module, mask, generator):
        raise OptionError("'spoiled' wants attention")


def test_a_constant_is_a_note_and_a_refusal_no_success():
    """A deterministic start may be meant; the modules' own, which no seed of the initializer changes, is not one."""
    (note,) = check_initializer(Constant()).notes
    assert note.startswith("it overwrites all weights of a linear network, a convolutional network and a recurrent")
    with pytest.raises(UncheckedError, match=r"refuses every network of the check\. a linear network: 'spoiled' wants"):
        check_initializer(Refuses())
