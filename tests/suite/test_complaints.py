"""Complaints: every finding of pydantic's that a file can meet, as a sentence."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from ticketbench.suite.base import Name, TomlTable
from ticketbench.suite.complaints import SENTENCES, complaints

TWO_OR_MORE = Annotated[tuple[int, ...], Field(strict=False, min_length=2, max_length=3)]


class Leaf(TomlTable):
    """A table in others."""

    size: Annotated[int, Field(alias="length", ge=0)] = 0


class Root(TomlTable):
    """A file with a field of every kind."""

    word: Annotated[str, Field(min_length=2, max_length=4)] = "word"
    name: Name = "name"
    choice: Literal["one", "other"] = "one"
    truth: bool = True
    share: Annotated[float, Field(ge=0.25, lt=1, allow_inf_nan=False)] = 0.5
    count: Annotated[int, Field(gt=0, le=9)] = 1
    numbers: TWO_OR_MORE = (1, 2)
    pair: Annotated[tuple[float, float], Field(strict=False)] = (0.0, 1.0)
    leaves: dict[Name, Leaf | None] = Field(default_factory=dict)
    rows: Annotated[tuple[Annotated[Leaf, Field()], ...], Field(strict=False)] = ()
    day: datetime.date | None = None


def said(**values: Any) -> str:
    """What is said of a file with these values."""
    with pytest.raises(ValidationError) as caught:
        Root.model_validate(values)
    return complaints(caught.value, Root)


SAID = {
    "literal_error": ({"choice": "both"}, "'choice' must be 'one' or 'other' (it is 'both')"),
    "string_type": ({"word": 3}, "'word' must be a text (it is 3)"),
    "a day": ({"word": datetime.date(2020, 2, 3)}, "'word' must be a text (it is 2020-02-03)"),
    "string_pattern_mismatch": (
        {"name": "../x"},
        "'name' must match the pattern ^[A-Za-z0-9][A-Za-z0-9_.+-]*$ (it is '../x')",
    ),
    "string_too_short": ({"word": "w"}, "'word' must have 2 characters or more (it is 'w')"),
    "string_too_long": ({"word": "wordy"}, "'word' must have 4 characters or fewer (it is 'wordy')"),
    "bool_type": ({"truth": 1}, "'truth' must be true or false (it is 1)"),
    "int_type": ({"count": True}, "'count' must be a whole number (it is true)"),
    "float_type": ({"share": "half"}, "'share' must be a number (it is 'half')"),
    "finite_number": ({"share": float("nan")}, "'share' must be a finite number (it is nan)"),
    "greater_than": ({"count": 0}, "'count' must be greater than 0 (it is 0)"),
    "greater_than_equal": ({"share": 0.2}, "'share' must be 0.25 or more (it is 0.2)"),
    "less_than": ({"share": 1.0}, "'share' must be less than 1 (it is 1.0)"),
    "less_than_equal": ({"count": 10}, "'count' must be 9 or less (it is 10)"),
    "tuple_type": ({"numbers": {"a": 1}}, "'numbers' must be a list (it is a table)"),
    "too_short": ({"numbers": [1]}, "'numbers' has too few entries (1): it needs 2 or more"),
    "too_long": ({"numbers": [1, 2, 3, 4]}, "'numbers' has too many entries (4): it may have 3"),
    "dict_type": ({"leaves": [1]}, "'leaves' must be a table (it is a list)"),
    "missing": ({"pair": [1.0]}, "'pair (number 2)' is missing"),
}


@pytest.mark.parametrize("kind", [*SAID, *(SENTENCES.keys() - SAID.keys())])
def test_every_finding_is_a_sentence_with_place_value_and_what_would_work(kind: str):
    """One field is wrong in one way."""
    values, expected = SAID[kind]
    assert said(**values) == expected


def test_tables_say_their_keys():
    """Under their names in the file, on whatever way they are reached: a table of tables, a list, an optional one."""
    assert said(rows=[7]) == "'rows (number 1)' must be a table (it is 7). Its keys: length."
    assert said(leaves={"a": 7}) == "'leaves.a' must be a table (it is 7). Its keys: length."
    assert said(leaves={"rows": {"size": 1}}) == "unknown key 'leaves.rows.size'. Valid: length."
    assert said(rows=[{}, {"lenght": 1}]) == (
        "unknown key 'rows (number 2).lenght'. Did you mean 'length'? Valid: length."
    )


def test_a_wrong_key_is_told_from_a_wrong_value():
    """The key itself does not match."""
    assert said(leaves={"a/b": {}}) == (
        "the key 'leaves.a/b' must match the pattern ^[A-Za-z0-9][A-Za-z0-9_.+-]*$ (it is 'a/b')"
    )


def test_what_has_no_sentence_is_said_in_pydantics_words():
    """With the place and the value all the same."""
    assert said(day="today") == "'day': Input should be a valid date (it is 'today')"


def test_a_list_that_is_too_short_because_an_entry_is_wrong_is_left_out():
    """Only the entry is complained about."""
    assert said(numbers=["x"]) == "'numbers (number 1)' must be a whole number (it is 'x')"
