"""Mask rules that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from ticketbench import Examples, MaskRule, Noise, OptionError, top_mask
from ticketbench.testing import UncheckedError, check_mask_rule
from ticketbench_methods.dsr import Dsr
from ticketbench_methods.narang import RisingThreshold
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_methods.snfs import Snfs


def third(trial):
    """A share of its own for every cell."""
    return {"fraction": 0.3 + trial.seed / 10}


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        (Set().rule(), third),
        (Rigl().rule(), third),
        (Rigl(gradient="slice", examples=20).rule(), third),
        (Snfs().rule(), third),
        (Snfs(redistribution="momentum").rule(), third),
        (Dsr(threshold=0.1).rule(), lambda trial: {}),
        (
            RisingThreshold(),
            lambda trial: {
                "threshold": 0.5,
                "least": 20.0 + trial.seed,
                "last": float(trial.seed == 1),
                **{f"limit {name}": 0.1 * at for at, name in enumerate(trial.weights, start=1)},
            },
        ),
    ],
    ids=["set", "rigl", "rigl on a slice", "snfs", "snfs with shares", "dsr", "narang"],
)
def test_the_built_in_rules_keep_the_contract(rule: MaskRule, numbers):
    """On all three networks."""
    said = check_mask_rule(rule, numbers).said
    assert said.endswith("on a linear network, a convolutional network and a recurrent network")


@dataclass(frozen=True)
class Keeps(MaskRule):
    """Keeps the larger half of what is left, to be spoiled."""

    def masks(self, view):
        return {name: self.mask(view, name) for name in view.mask}

    def mask(self, view, name):
        return top_mask(view.weights[name].abs(), view.mask[name].sum() // 2, allowed=view.mask[name])


def test_a_rule_of_its_own_passes():
    """Half of what is left, and half of that."""
    assert check_mask_rule(Keeps()).notes == ()


class Reads(Keeps):
    """A branch on the data."""

    def mask(self, view, name):
        return view.mask[name] if float(view.weights[name].sum()) > 0 else ~view.mask[name]


class Floats(Keeps):
    """Numbers in place of truth."""

    def mask(self, view, name):
        return view.mask[name].float()


class Chancy(Keeps):
    """Torch's global generator."""

    def mask(self, view, name):
        return torch.rand(view.mask[name].shape) < 0.5


class Counts(Keeps):
    """Keeps an account of its own, of all that it has been asked."""

    calls = 0

    def mask(self, view, name):
        type(self).calls += 1
        return top_mask(view.weights[name].abs(), view.mask[name].sum() - self.calls % 7, allowed=view.mask[name])


class Forgets(Keeps):
    """What it remembers is counted outside."""

    calls = 0

    def memory(self, view):
        return {"calls": torch.zeros(())}

    def remember(self, view, masks):
        type(self).calls += 1
        return {"calls": view.memory["calls"] + self.calls}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Reads(), "fails on a linear network: RuntimeError: .*no value is read of one"),
        (Floats(), "must be a bool tensor of shape"),
        (Chancy(), "fails on a linear network: RuntimeError: .*random"),
        (Counts(), "leaves another mask of .* where members change together"),
        (Forgets(), "leaves another memory of 'calls' where members change together"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MaskRule) else "",
)
def test_every_broken_promise_is_named(rule: MaskRule, says: str):
    """What was wrong, and where."""
    with pytest.raises(AssertionError, match=says):
        check_mask_rule(rule)


class Refuses(Keeps):
    """Wants something that no network has."""

    def mask(self, view, name):
        raise OptionError("only for networks without weights")


def test_one_that_refuses_everything_is_not_checked():
    """And says why."""
    with pytest.raises(UncheckedError, match="only for networks without weights"):
        check_mask_rule(Refuses())


@dataclass(frozen=True)
class Everything(MaskRule):
    """Uses all that a view offers."""

    averaged = True
    stream = "all of it"

    def examples(self):
        return Examples("slice", 5)

    def noise(self, weights):
        return {name: Noise("normal", tuple(weight.shape)) for name, weight in weights.items()}

    def memory(self, view):
        return {"sum": view.numbers["more"] * 0}

    def masks(self, view):
        scores = {name: view.average[name] * view.gradient[name] + view.noise[name] for name in view.mask}
        counts = {name: part.sum() - view.numbers["more"].long() for name, part in view.mask.items()}
        return {name: top_mask(scores[name], counts[name]) for name in view.mask}

    def remember(self, view, masks):
        return {"sum": view.memory["sum"] + view.numbers["more"]}


def test_everything_that_a_view_offers_can_be_used():
    """An average, a gradient, normal numbers, numbers of the request and a memory."""
    assert check_mask_rule(Everything(), lambda trial: {"more": float(trial.seed)}).notes == ()
