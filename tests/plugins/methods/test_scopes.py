"""Methods whose layers share a budget do so in every way there is."""

from __future__ import annotations

from dataclasses import replace
from typing import get_type_hints

import pytest

from ticketbench import SCOPES, Scope
from ticketbench.plugin.options import configure
from ticketbench.testing import check_method
from ticketbench_methods.after_training import AfterTraining
from ticketbench_methods.annealed import Annealed
from ticketbench_methods.early_bird import EarlyBird
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.grow_and_prune import GrowAndPrune
from ticketbench_methods.imp import Imp
from ticketbench_methods.iterative import Iterative
from ticketbench_methods.oneshot import OneShot
from ticketbench_scorers.magnitude import Magnitude

LATE = (
    AfterTraining(),
    Annealed(levels=(0.5,)),
    EarlyBird(window=2),
    Gradual(every=1),
    GrowAndPrune(every=4),
    Imp(fraction=0.5),
    Iterative(rounds=2),
    OneShot(),
)
"""The methods that took four of the five scopes only, or came later."""

OF_UNITS = {"mean_replacement", "skeletonization", "taylor_units"}


def test_every_method_with_a_scope_takes_every_scope(plugins):
    """All but those that remove units and whose scope says whether units of different layers compete."""
    items = [entry.item for entry in plugins.items["method"].values()]
    scoped = {item.name: item for item in items if "scope" in get_type_hints(type(item))}
    assert {name for name, item in scoped.items() if get_type_hints(type(item))["scope"] != Scope} == OF_UNITS
    assert {method.name for method in LATE} < scoped.keys()
    for name in scoped.keys() - OF_UNITS:
        assert [configure(scoped[name], {"scope": scope}, "a test").scope for scope in SCOPES] == list(SCOPES)


@pytest.mark.parametrize("method", LATE, ids=lambda method: method.name)
def test_er_keeps_the_contract(method):
    """Exact density and determinism where layers keep weights in proportion to their inputs and outputs."""
    check_method(replace(method, scope="er"), scorer=Magnitude())
