"""Measures of a cell: every number here is worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from plain_records import plain

from ticketbench.results.measures import DERIVE, Curve, measured, nearest, training_budget, unit_of
from ticketbench.suite.measures import DERIVED, MEASURES
from ticketbench.suite.paper import Aspect

# accuracy at 10, 20, 30, 40 iterations; trained with 20
RISING = Curve("iterations", (10.0, 20.0, 30.0, 40.0), (0.2, 0.5, 0.9, 0.7))
RECORD = plain(model='net {"iterations":20,"recall":true}', flops=1000.0, parameters=300, headline=0.9)
PROBES = {"distance/round 3/hamming": 0.25}

EXPECTED = {
    "value at a reported x": (Aspect(measure="value", x=30), 0.9),
    "value between reported x": (Aspect(measure="value", x=35), None),
    "best": (Aspect(measure="best"), 0.9),
    "last": (Aspect(measure="last"), 0.7),
    "mean": (Aspect(measure="mean"), (0.2 + 0.5 + 0.9 + 0.7) / 4),
    "value at the training budget": (Aspect(measure="at_budget"), 0.5),
    "best minus last": (Aspect(measure="overthinking"), 0.9 - 0.7),
    "a level that is met exactly": (Aspect(measure="x_to", level=0.5), 20.0),
    "a level between two values": (Aspect(measure="x_to", level=0.6), 30.0),
    "a level that is never reached": (Aspect(measure="x_to", level=0.98), None),
    "from one level to another": (Aspect(measure="rise", from_level=0.2, level=0.8), 20.0),
    "from one level to one never reached": (Aspect(measure="rise", from_level=0.2, level=0.98), None),
    "reaches": (Aspect(measure="reaches", level=0.9), 1.0),
    "does not reach": (Aspect(measure="reaches", level=0.91), 0.0),
    "FLOPs at one and a half budgets": (Aspect(measure="flops_to", level=0.9), 1500.0),
    "FLOPs to what is never reached": (Aspect(measure="flops_to", level=0.98), None),
    "parameters that reach": (Aspect(measure="parameters_to", level=0.9), 300.0),
    "parameters that do not reach": (Aspect(measure="parameters_to", level=0.98), None),
    "a column": (Aspect(measure="parameters"), 300.0),
    "the headline by default": (Aspect(), 0.9),
    "a first value that is never lost": (Aspect(measure="holds_to", level=0.0), 40.0),
    "a probe": (Aspect(measure="probe", probe="distance/round 3/hamming"), 0.25),
    "a probe that did not look": (Aspect(measure="probe", probe="distance/round 4/hamming"), None),
    "a column that the record lacks": (Aspect(measure="train_seconds"), None),
}


@pytest.mark.parametrize(("aspect", "expected"), EXPECTED.values(), ids=EXPECTED)
def test_a_measure_is_the_number_worked_out_by_hand(aspect, expected):
    """Of one rising and falling curve, reported at four iterations."""
    assert measured(aspect, RECORD, RISING, PROBES) == pytest.approx(expected)


# accuracy at 266,200 weights times 0.8 ** (0, 3, 12, 15), rounded to whole weights; the dip at 51 % counts
DENSITIES = tuple(round(0.8**k * 266_200) / 266_200 for k in (15, 12, 3, 0))
PRUNED = Curve("density", DENSITIES, (0.80, 0.97, 0.95, 0.98))
OVER_DENSITIES = {
    "a density as a suite file writes it": (Aspect(measure="value", x=0.069), 0.97),
    "a density that is not within 1 %": (Aspect(measure="value", x=0.071), None),
    "the densest": (Aspect(measure="value", x=1.0), 0.98),
    "the last is the sparsest": (Aspect(measure="last"), 0.80),
    "down to the first loss, not to the last gain": (Aspect(measure="x_to", level=0.96), 1.0),
    "down to the sparsest that keeps it": (Aspect(measure="x_to", level=0.95), DENSITIES[1]),
    "never, where the densest lacks it": (Aspect(measure="x_to", level=0.99), None),
    "within three points of the densest": (Aspect(measure="holds_to", level=0.031), DENSITIES[1]),
    "within one point of the densest": (Aspect(measure="holds_to", level=0.01), 1.0),
    "within twenty points of the densest": (Aspect(measure="holds_to", level=0.2), DENSITIES[0]),
}


@pytest.mark.parametrize(("aspect", "expected"), OVER_DENSITIES.values(), ids=OVER_DENSITIES)
def test_over_densities_a_level_is_kept_from_the_densest_on(aspect, expected):
    """What is regained below a loss does not count."""
    assert measured(aspect, RECORD, PRUNED) == expected


def test_where_lower_is_better_a_loss_is_a_rise():
    """A perplexity of 40 that may rise by 5."""
    curve = Curve("density", (0.1, 0.5, 1.0), (60.0, 45.0, 40.0), higher_is_better=False)
    assert (curve.holds_to(5.0), curve.reach(50.0), curve.reach(30.0)) == (0.5, 0.5, None)
    assert Curve("density", (), ()).holds_to(1.0) is None
    assert Curve("density", (0.5, 1.0), (0.9, math.nan)).holds_to(1.0) is None


def test_a_density_is_the_nearest_within_one_percent():
    """Of two that are near enough the nearer one; iterations are met exactly."""
    assert nearest([0.5, 0.503], 0.502) == 0.503
    assert (nearest([0.5], 0.504), nearest([0.5], 0.506), nearest([], 0.5)) == (0.5, None, None)
    assert Curve("step", (100.0,), (0.5,)).at(100.5) is None


def test_a_value_may_hold_until_the_next_x():
    """Up to the last one, and from the first on."""
    held = Curve("epoch", (0.0, 5.0, 10.0), (1.0, 0.8, 0.8), higher_is_better=False, held=True)
    assert [held.at(x) for x in (0, 4.9, 5, 10, 11, -1)] == [1.0, 1.0, 0.8, 0.8, None, None]


def test_a_density_is_no_number_of_steps():
    """The unit of an x depends on the curve."""
    assert (unit_of("x_to"), unit_of("holds_to", "density"), unit_of("value", "density")) == ("x", "density", "metric")


def test_where_lower_is_better_everything_turns_around():
    """A perplexity reaches a level from above, and overthinks by rising."""
    falling = Curve("step", (1.0, 2.0, 3.0), (90.0, 40.0, 55.0), higher_is_better=False)
    assert (falling.best(), falling.reach(60.0), falling.reach(30.0)) == (40.0, 2.0, None)
    assert falling.overthinking() == 15.0


def test_values_that_are_not_finite_are_no_numbers():
    """NaN is neither the best value nor an answer."""
    broken = Curve("iterations", (1.0, 2.0), (0.5, math.nan))
    assert broken.best() == 0.5
    assert measured(Aspect(measure="last"), RECORD, broken) is None
    assert measured(Aspect(measure="mean"), RECORD, broken) is None
    assert Curve("iterations", (1.0,), (math.nan,)).overthinking() is None
    assert measured(Aspect(), plain(headline=math.nan), None) is None


def test_without_a_curve_only_columns_have_a_value():
    """A model that sweeps nothing has a headline and parameters."""
    assert measured(Aspect(measure="best"), RECORD, None) is None
    assert measured(Aspect(measure="parameters"), RECORD, None) == 300.0


@pytest.mark.parametrize("model", ["net", 'net {"width":3}', 'net {"iterations":true}', ""])
def test_a_model_without_the_option_has_no_budget(model):
    """Then nothing is known at the budget, nor of FLOPs at another."""
    record = replace(RECORD, model=model)
    assert training_budget(record, "iterations") is None
    assert measured(Aspect(measure="at_budget"), record, RISING) is None
    assert measured(Aspect(measure="flops_to", level=0.5), record, RISING) is None


def test_every_measure_that_is_derived_has_its_way():
    """Under the same names; each has a unit, and needs keys that an aspect has."""
    assert set(DERIVE) == set(DERIVED)
    assert all(unit_of(name) for name in MEASURES)
    assert {key for one in MEASURES.values() for key in one.needs} == {"x", "level", "from_level", "probe"}


def test_the_columns_of_a_record_that_can_be_measured():
    """As the schema says, with their units."""
    assert {name: unit_of(name) for name in ("headline", "flops", "draw_flops", "train_seconds", "parameters")} == {
        "headline": "metric",
        "flops": "FLOPs",
        "draw_flops": "FLOPs",
        "train_seconds": "seconds",
        "parameters": "parameters",
    }
