"""The registry of measures and its page."""

from __future__ import annotations

import pytest
from places import ROOT

from ticketbench.suite.measures import MEASURES, known_measure, measures_markdown


def test_the_page_of_measures_is_what_the_registry_says():
    """`make docs` writes it."""
    assert (ROOT / "docs" / "measures.md").read_text(encoding="utf-8") == measures_markdown()


def test_a_measure_says_what_it_needs():
    """Its line has the keys, the unit and the sentence."""
    assert (
        "| `rise` | `level`, `from_level` | x | how much x goes by from reaching `from_level` to" in measures_markdown()
    )
    assert MEASURES["rise"].needs == ("level", "from_level")
    assert MEASURES["train_steps"].needs == ()


def test_a_measure_that_there_is_not():
    """The nearest one is named."""
    assert known_measure("x_to") == "x_to"
    with pytest.raises(ValueError, match=r"no measure .x_too.\. Did you mean 'x_to'"):
        known_measure("x_too")
