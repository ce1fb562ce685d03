"""Durations on the command line."""

from __future__ import annotations

import pytest

from ticketbench.cli.duration import Duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("8m", 480), ("1.5h", 5400), (".5s", 0.5), (" 2 m ", 120), (7, 7)]
)
def test_a_number_and_a_unit(text, seconds):
    """Seconds where there is none."""
    assert Duration().convert(text, None, None) == seconds
