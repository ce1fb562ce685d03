"""Options: a contract's fields, checked before anything runs."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketbench.errors import OptionError, suggest
from ticketbench.plugin.options import canonical, configure, describe_type, option, options_of


@dataclass(frozen=True)
class Example:
    """Something with every sort of option."""

    name = "example"

    count: int = option(3, "how many", at_least=1, at_most=9)
    share: float = option(0.5, "how much", at_least=0.0)
    kind: Literal["sharp", "blunt"] = "sharp"
    hidden: tuple[int, ...] = (8, 4)
    deep: tuple[tuple[int, int], ...] = ()
    flag: bool = False
    label: str | None = None
    free: float = 0.0

    def __post_init__(self) -> None:
        if self.kind == "blunt" and self.flag:
            raise ValueError("a blunt one has no flag")


def test_defaults_are_pinned_as_canonical_text():
    """Every option with its value, defaults included: what a cell's key is made of."""
    assert canonical(options_of(Example())) == (
        '{"count":3,"deep":[],"flag":false,"free":0.0,"hidden":[8,4],"kind":"sharp","label":null,"share":0.5}'
    )


def test_configure_changes_the_named_options_alone():
    """The prototype stays as it is; lists of TOML become tuples, at any depth."""
    prototype = Example()
    changed = configure(prototype, {"hidden": [5], "deep": [[1, 2], [3, 4]], "label": "x"}, "a test")
    assert changed == dataclasses.replace(prototype, hidden=(5,), deep=((1, 2), (3, 4)), label="x")
    assert prototype == Example()
    assert hash(changed) == hash(configure(prototype, {"hidden": [5], "deep": [[1, 2], [3, 4]], "label": "x"}, ""))


def test_a_whole_number_is_a_number():
    """`spread = 2` in TOML gives the same option, text and key as `spread = 2.0`."""
    whole, real = (configure(Example(), {"share": value}, "a test") for value in (2, 2.0))
    assert canonical(options_of(whole)) == canonical(options_of(real))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"cuont": 3},
            "'example' has no option 'cuont' (in a test). Did you mean 'count'? "
            "Valid: count, deep, flag, free, hidden, kind, label, share.",
        ),
        ({"count": "3"}, "option 'count' of 'example' in a test cannot be '3'. It takes int, at least 1, at most 9."),
        ({"count": 0}, "option 'count' of 'example' in a test cannot be 0. It takes int, at least 1, at most 9."),
        ({"count": 10}, "option 'count' of 'example' in a test cannot be 10. It takes int, at least 1, at most 9."),
        ({"count": True}, "option 'count' of 'example' in a test cannot be True. It takes int, at least 1, at most 9."),
        ({"count": 2.5}, "option 'count' of 'example' in a test cannot be 2.5. It takes int, at least 1, at most 9."),
        ({"share": -0.1}, "option 'share' of 'example' in a test cannot be -0.1. It takes float, at least 0."),
        ({"share": math.nan}, "option 'share' of 'example' in a test cannot be nan. It takes float, at least 0."),
        ({"share": math.inf}, "option 'share' of 'example' in a test cannot be inf. It takes float, at least 0."),
        ({"free": math.nan}, "option 'free' of 'example' in a test cannot be nan. It takes float."),
        ({"kind": "dull"}, "option 'kind' of 'example' in a test cannot be 'dull'. It takes 'sharp' or 'blunt'."),
        ({"flag": 1}, "option 'flag' of 'example' in a test cannot be 1. It takes bool."),
        ({"hidden": ["a"]}, "option 'hidden' of 'example' in a test cannot be ['a']. It takes tuple[int, ...]."),
        ({"hidden": 5}, "option 'hidden' of 'example' in a test cannot be 5. It takes tuple[int, ...]."),
        ({"label": 5}, "option 'label' of 'example' in a test cannot be 5. It takes str | None."),
        ({"kind": "blunt", "flag": True}, "'example' in a test: a blunt one has no flag"),
    ],
)
def test_a_wrong_option_is_one_message(values: dict[str, Any], message: str):
    """It names the option, its owner, the place, the value, and what the option takes."""
    with pytest.raises(OptionError) as caught:
        configure(Example(), values, "a test")
    assert str(caught.value) == message


def test_a_thing_without_options_says_so():
    """There is nothing to suggest."""

    @dataclass(frozen=True)
    class Bare:
        name = "bare"

    with pytest.raises(OptionError, match=r"^'bare' has no option 'x' \(in a test\)\. It takes no options\.$"):
        configure(Bare(), {"x": 1}, "a test")


def test_what_an_option_takes_in_words():
    """Types, choices and bounds, as `ticketbench show` prints them."""
    takes = {field.name: describe_type(Example, field) for field in dataclasses.fields(Example)}
    assert takes == {
        "count": "int, at least 1, at most 9",
        "share": "float, at least 0",
        "kind": "'sharp' or 'blunt'",
        "hidden": "tuple[int, ...]",
        "deep": "tuple[tuple[int, int], ...]",
        "flag": "bool",
        "label": "str | None",
        "free": "float",
    }


@pytest.mark.parametrize("value", [frozenset({1}), math.inf, (1.0, math.nan)])
def test_an_option_that_json_cannot_hold_is_refused(value: Any):
    """A default such as a set or an infinity has no canonical text."""

    @dataclass(frozen=True)
    class Odd:
        thing: Any = value

    with pytest.raises(OptionError, match="which is neither a finite number, a text, nor a list of them"):
        options_of(Odd())


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(PLAIN)
def test_canonical_text_reads_back_as_itself(value: Any):
    """Nothing is lost, and the text of what was read is the same text."""
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    assert "\n" not in text


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers(), max_size=5))
def test_canonical_text_does_not_know_the_order_of_keys(value: dict[str, int]):
    """A cache must not miss because two keys were written the other way round."""
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_suggestions_name_the_nearest_and_all():
    """Near: did you mean; far: the valid ones; none: that there are none."""
    assert suggest("snipp", ["snip", "grasp"]) == "Did you mean 'snip'? Valid: grasp, snip."
    assert suggest("zzz", ["snip", "grasp"]) == "Valid: grasp, snip."
    assert suggest("zzz", []) == "None are registered."
