"""The examples in the core's docstrings are run, and give what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest
from places import ROOT

CORE = ROOT / "ticketbench"
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(CORE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_give_what_they_say(module: str):
    """Every line after >>> is run, in the module's own names."""
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_plugin_authors_find_examples():
    """Where they look first: the contracts, the trial, regimes, scopes, units, and helpers for tests."""
    assert {
        "ticketbench.masks.scopes",
        "ticketbench.plugin.contracts",
        "ticketbench.plugin.regime",
        "ticketbench.plugin.trial",
        "ticketbench.testing.trials",
        "ticketbench.units.chain",
        "ticketbench.units.compaction",
    } <= set(MODULES)
