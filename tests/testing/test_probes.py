"""Probes that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch

from ticketbench import OptionError, Points, Probe
from ticketbench.testing import UncheckedError, check_probe


@pytest.mark.parametrize("name", ["layer_density", "distance", "drawing_cost", "agreement", "gate_balance"])
def test_registered_probes_keep_the_contract(plugins, name):
    """One that measures time, one that sees the test split, and one of recurrent layers among them."""
    assert check_probe(plugins.find("probe", name)).said.startswith("numbers, the same every time")


@dataclass(frozen=True)
class Norm(Probe):
    """‖θ‖, to be spoiled."""

    name = "spoiled"
    summary = "for tests"
    moments = ("started", "drawn", "trained", "reported", "masked", "judged")

    def steps(self, total):
        return range(0, total, 10)

    def measure(self, trial):
        return {"norm": self.number(trial)}

    def number(self, trial):
        return sum(float(weight.square().sum()) for weight in trial.weights.values()) ** 0.5


def test_a_probe_of_its_own_passes():
    """At every moment there is."""
    assert check_probe(Norm()).notes == ()


class Words(Norm):
    """A text."""

    def number(self, trial):
        return "large"


class Truth(Norm):
    """A truth value."""

    def number(self, trial):
        return True


class ATensor(Norm):
    """A tensor of one number."""

    def number(self, trial):
        return torch.tensor(1.0)


class OddPoints(Norm):
    """Points without values."""

    def number(self, trial):
        return Points("step", ((1.0,),))


class NoTable(Norm):
    """A bare number."""

    def measure(self, trial):
        return 1.0


class Chancy(Norm):
    """Python's global generator."""

    def number(self, trial):
        return random.random()


class Acts(Norm):
    """Turns the drawn mask by one place, behind the trial's back."""

    moments = ("drawn",)

    def steps(self, total):
        return ()

    def number(self, trial):
        trial._bench.stack.set_mask(trial._member, {name: part.roll(1) for name, part in trial.mask.items()})
        return 1.0


class ActsEarly(Acts):
    """Prunes everything, while a ticket is drawn."""

    moments = ("reported",)

    def number(self, trial):
        trial.set_mask({name: torch.zeros_like(part) for name, part in trial.mask.items()})
        return 1.0


class Restarts(Norm):
    """A fresh optimizer, halfway through a training, behind the trial's back."""

    moments = ()

    def number(self, trial):
        step = trial.step
        trial._bench.stack.restart(trial._member, 0)
        trial._trial._bench.stack.steps[0] = step
        return 1.0


class LooksAtTest(Norm):
    """Asks for the test split all the time."""

    def number(self, trial):
        return float(trial.judged.inputs.mean())


class TooEarly(Norm):
    """A moment that never comes."""

    moments = ("prunned",)


class Never(Norm):
    """No moment and no step."""

    moments = ()

    def steps(self, total):
        return ()


class Late(Norm):
    """A step behind the end."""

    def steps(self, total):
        return (total + 1,)


class Crashes(Norm):
    """A misspelt name."""

    def number(self, trial):
        return trial.weihgts


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (Words(), r"measures 'large' as 'norm'; it must be a number"),
        (Truth(), r"measures True as 'norm'; it must be a number"),
        (ATensor(), r"measures tensor\(1\.\) as 'norm'; it must be a number \(float\(…\)\) or `Points`"),
        (OddPoints(), r"the points of 'norm' must be pairs of numbers \(x, value\)"),
        (NoTable(), r"returns float; return a table of named numbers"),
        (Chancy(), r"is not deterministic on a linear network"),
        (Acts(), r"disturbs the cell it looks at, on a linear network: its trained weights are others"),
        (
            ActsEarly(),
            r"probe 'spoiled' called trial\.set_mask\(\), which would change the cell",
        ),
        (Restarts(), r"disturbs the cell it looks at, on a linear network: its trained weights are others"),
        (LooksAtTest(), r"probe 'spoiled' asks for the test split when there is none: .* at the moment \"judged\""),
        (TooEarly(), r"looks at the moment 'prunned', which never comes"),
        (Never(), r"never looks: it names neither `moments` nor steps\(\)"),
        (Late(), r"steps\(40\) names step 41, which never comes"),
        (Crashes(), r"fails on a linear network: AttributeError: .*weihgts.* \(at .*test_probes\.py:\d+\)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Probe) else "",
)
def test_every_broken_promise_is_named(probe, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_probe(probe)


class Undefined(Norm):
    """0/0."""

    moments = ("drawn",)

    def steps(self, total):
        return ()

    def number(self, trial):
        return float("nan")


class Silent(Norm):
    """Nothing to say."""

    def measure(self, trial):
        return {}


class Refuses(Norm):
    """Wants transformers."""

    def measure(self, trial):
        raise OptionError("'spoiled' wants attention")


def test_what_may_be_is_a_note_and_a_refusal_no_success():
    """A value that is not a number, and no value at all."""
    assert (
        check_probe(Undefined()).notes[0].startswith("it measures nan as 'norm' at 'drawn' on a linear network, a conv")
    )
    assert check_probe(Silent()).notes[0].startswith("it measures nothing on a linear network")
    with pytest.raises(UncheckedError, match=r"refuses every network of the check\. a linear network: 'spoiled' wants"):
        check_probe(Refuses())
