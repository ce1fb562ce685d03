"""Stacked forms that say what the single ones say pass; others are found and named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ticketbench import OptionError, Points, Probe, Scorer
from ticketbench.testing import UncheckedError, check_probe, check_scorer
from ticketbench_probes.distance import Distance
from ticketbench_probes.gradient_flow import GradientFlow
from ticketbench_scorers.lamp import Lamp
from ticketbench_scorers.magnitude import Magnitude


@pytest.mark.parametrize(
    "probe",
    [
        Distance(),
        Distance(biases=True, per_tensor=True, every=5),
        GradientFlow(examples=20),
        GradientFlow(biases=True, per_tensor=True, every=5, examples=10**6),
    ],
    ids=["distance", "distance of all", "gradient flow", "gradient flow of all"],
)
def test_the_built_in_probes_measure_the_same_together(probe: Probe):
    """On all three networks, biases and single tensors included."""
    assert check_probe(probe).notes == ()


@pytest.mark.parametrize("scorer", [Magnitude(), Lamp()], ids=["magnitude", "lamp"])
def test_the_built_in_scorers_score_the_same_together(scorer: Scorer):
    """On all three networks."""
    assert check_scorer(scorer).said.startswith("finite")


@dataclass(frozen=True)
class Sizes(Probe):
    """Numbers and points, to be spoiled."""

    name = "sizes"
    summary = "for tests"

    def measure(self, trial):
        sizes = {name: float(weight.abs().sum()) for name, weight in trial.weights.items()}
        return {**sizes, "line": Points("layer", tuple(enumerate(sizes.values())))}

    def measure_stacked(self, stack):
        sums = {name: weight.abs().flatten(1).sum(1).tolist() for name, weight in stack.weights.items()}
        every = [{name: found[at] for name, found in sums.items()} for at in range(len(stack))]
        return [{**sizes, "line": Points("layer", tuple(enumerate(sizes.values())))} for sizes in every]


def test_a_probe_with_both_forms_passes():
    """Points included."""
    assert check_probe(Sizes()).notes == ()


class Turned(Sizes):
    """The members in another order."""

    def measure_stacked(self, stack):
        return super().measure_stacked(stack)[::-1]


class Short(Sizes):
    """One member is left out."""

    def measure_stacked(self, stack):
        return super().measure_stacked(stack)[1:]


class Without(Sizes):
    """A number is missing."""

    def measure_stacked(self, stack):
        return [{"line": found["line"]} for found in super().measure_stacked(stack)]


class Bent(Sizes):
    """Points elsewhere."""

    def measure_stacked(self, stack):
        every = super().measure_stacked(stack)
        return [{**found, "line": Points("layer", ((0.0, 0.0),))} for found in every]


class Fails(Sizes):
    """Something goes wrong."""

    def measure_stacked(self, stack):
        raise KeyError("what")


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (
            Turned(),
            r"measure_stacked of probe 'sizes' finds .* as '0.weight' at 0 on a linear network, `measure` finds",
        ),
        (Short(), "returns 2 tables; it needs one for each member"),
        (Without(), "finds line of a member on a linear network; `measure` finds 0.weight, 3.weight, line"),
        (Bent(), "as 'line' at 0"),
        (Fails(), "fails on a linear network: KeyError: 'what'"),
    ],
    ids=["turned", "short", "without", "bent", "fails"],
)
def test_a_stacked_probe_that_says_something_else_is_named(probe: Probe, says: str):
    """What it found, and what the other form finds."""
    with pytest.raises(AssertionError, match=says):
        check_probe(probe)


class Refuses(Sizes):
    """No network will do."""

    def measure_stacked(self, stack):
        raise OptionError("not together")


def test_one_whose_stacked_form_refuses_everything_is_not_checked():
    """In its own words."""
    with pytest.raises(UncheckedError, match="not together"):
        check_probe(Refuses())


class Doubled(Magnitude):
    """Other scores together."""

    def scores_of(self, view):
        return {name: weight.abs() * 2 for name, weight in view.weights.items()}


class Nameless(Magnitude):
    """A weight without a score."""

    def scores_of(self, view):
        return {"0.weight": view.weights["0.weight"].abs()}


class Branches(Magnitude):
    """Looks at a value."""

    def scores_of(self, view):
        return {name: weight.abs() for name, weight in view.weights.items() if weight.sum() > 0}


@pytest.mark.parametrize(
    ("scorer", "says"),
    [
        (Doubled(), "scores_of of scorer 'magnitude' scores '0.weight' otherwise than `score` on a linear network"),
        (Nameless(), "has no score for '3.weight'"),
        (Branches(), "fails on a linear network: RuntimeError: .*no value is read of one"),
    ],
    ids=["doubled", "nameless", "branches"],
)
def test_a_stacked_scorer_that_says_something_else_is_named(scorer: Scorer, says: str):
    """Which weight, and on what."""
    with pytest.raises(AssertionError, match=says):
        check_scorer(scorer)
