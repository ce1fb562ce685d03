"""Options as a person writes them behind a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.errors import OptionError
from ticketbench.plugin.written import read_written, split_written, write_options

VALUES = st.recursive(
    st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3),
    max_leaves=6,
)
OPTIONS = st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), VALUES, max_size=4)


@given(OPTIONS)
def test_what_is_written_is_read_back(options):
    """Whatever the values, commas, quotes and brackets in texts among them; and it is one part of a list."""
    text = write_options("name", options)
    assert read_written(text, "here") == ("name", options)
    assert split_written(f"{text}, other", "here") == [text, "other"]
    assert write_options("name", dict(reversed(options.items()))) == text


def test_every_kind_of_value():
    """Spaces do not count, and a plain word needs no quotes."""
    text = (
        """ a [ b = 0.50, c=3 , d = true, e=word, f = "two words, [1]", g = 'x"', h=[1, [p, "q"], ], i=1e-3, j=[]] """
    )
    assert read_written(text, "here") == (
        "a",
        {
            "b": 0.5,
            "c": 3,
            "d": True,
            "e": "word",
            "f": "two words, [1]",
            "g": 'x"',
            "h": [1, ["p", "q"]],
            "i": 0.001,
            "j": [],
        },
    )
    assert read_written("a", "here") == read_written("a[]", "here") == ("a", {})
    assert write_options("a", {"c": ["x y", True], "b": 1.0}) == 'a[b=1.0,c=["x y",true]]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a[b=1", "'[' is not closed in 'a[b=1'"),
        ("a[b=[1]", "'[' is not closed"),
        ("a[b=1]]", "a ']' closes nothing"),
        ("a[b=]]", "a ']' closes nothing"),
        ('a[b="x]', 'the quote " is not closed'),
        ("a[b=1]c", "cannot read 'a[b=1]c'"),
        ("a[b=1][c=2]", "cannot read"),
        ("[b=1]", "cannot read"),
        ("a[b]", "'b' is no option with a value"),
        ("a[b=]", "'b=' is no option with a value"),
        ("a[b=1,]", "'' is no option with a value"),
        ("a[b=1, b=2]", "option 'b' stands twice"),
        ("a[b=two words]", "option 'b': 'two words' is no value. Write a number"),
        ("a[b=2020-01-01]", "is no value"),
        ("a[b={c = 1}]", "is no value"),
        ("a[b=1\nc=2]", "is no value"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str):
    """With where it stands and what would work."""
    with pytest.raises(OptionError) as caught:
        read_written(text, "--here")
    assert message in str(caught.value)
    assert str(caught.value).startswith("--here")
