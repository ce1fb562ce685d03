"""Where: filters of an axis, against choices as the store writes them."""

from __future__ import annotations

import pytest

from ticketbench.suite.where import FILTERED, Filter, Where

FILTERS = {
    "a name": (Filter(name="net"), True),
    "another name": (Filter(name="ne"), False),
    "an option": (Filter(options={"recall": True}), True),
    "an option's other value": (Filter(options={"recall": False}), False),
    "an option that it lacks": (Filter(options={"depth": None}), False),
    "a list": (Filter(name="net", options={"hidden": [8, 4]}), True),
    "nothing": (Filter(), True),
}


@pytest.mark.parametrize(("wanted", "expected"), FILTERS.values(), ids=FILTERS)
def test_a_filter_matches_names_and_option_values(wanted, expected):
    """Against a choice as the store writes it."""
    assert wanted.matches('net {"hidden":[8,4],"recall":true}') is expected


def test_what_is_left_out_is_open():
    """Every axis can be narrowed to one filter; the others take anything."""
    where = Where(task="blobs")
    assert [where.takes(axis, "blobs") for axis in FILTERED] == [True] * 4
    assert [where.takes(axis, "other") for axis in FILTERED] == [False, True, True, True]
