"""The meaning of source: the same for files that do the same, and another for files that might not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ticketbench as core
import ticketbench_methods
from ticketbench.plugin.meaning import DISPLAYED, PLANNED, executed, meaning

PLUGINS = sorted(Path(ticketbench_methods.__file__).parents[1].rglob("*.py"))

PLUGIN = '''
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from mine.helpers import scaled
from ticketbench import Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

SHARES = (0.5, 0.25)


@dataclass(frozen=True)
class Mine(Scorer):
    """s = θ²."""

    name = "mine"
    summary = "the squared weight"
    reference = "nowhere"
    ranks_by = "magnitude"

    power: int = option(2, "the exponent", at_least=1)
    kind: Literal["plain", "signed"] = option("plain", help="with its sign or without")

    def score(self, trial: Any) -> Mapping[str, Tensor]:
        """s of every weight."""
        found: dict[str, Tensor] = {}
        for name, weight in trial.weights.items():
            found[name] = scaled(weight**self.power, 0.1)
            trial.note(f"size of {name:>10}", float(found[name].sum()))
        return found

    @property
    def first(self) -> float:
        """The first share."""
        return SHARES[0] + 1.0
'''

REWRITTEN = """
# a comment
'''A docstring.'''

from dataclasses import (
    dataclass,
)
from typing import Final, Literal
import torch
from mine.helpers import scaled
from ticketbench import Scorer, option
from collections.abc import Sequence

SHARES: Final[tuple[float, ...]] = (
    5e-1,
    .25,
)
'''What halves.'''

@dataclass(frozen=True)
class Mine(Scorer):
    '''Something else.'''
    name = 'mine'
    summary = "better words"
    reference = ("the paper, "
                 "Eq. 2")
    ranks_by = "magnitude"
    '''What it ranks by.'''
    power: int = option(2, "another help", at_least=1)
    kind: Literal["plain", "signed"] = option(("plain"))
    def score(self, trial) -> Sequence[str]:
        pass
        found: dict = {}
        for (name, weight) in trial.weights.items():
            found[name] = scaled(weight ** self.power, 0.1)  # s
            trial.note(f'size of {name:>10}', float(found[name].sum()))
        return (found)

    @property
    def first(self): return SHARES[0x0] + 1.0
"""


def of(text: str) -> str:
    """The meaning of a file that nothing else is imported from."""
    return meaning(executed(text), DISPLAYED | PLANNED)


def test_layout_comments_docstrings_types_and_words_for_people_do_not_count():
    """The same plugin, written by another hand."""
    assert of(REWRITTEN) == of(PLUGIN)


SCORINGS = """
    def scorings(self, density):
        return 100.0
"""


def test_what_plans_guess_by_does_not_count():
    """A method `scorings` of a class; a function of that name, and a decorated one, might do anything."""
    assert of(PLUGIN + SCORINGS) == of(PLUGIN)
    assert of(PLUGIN + SCORINGS.replace("    def", "    @property\n    def")) != of(PLUGIN)
    assert of(PLUGIN + "\n\ndef scorings(density):\n    return 100.0\n") != of(PLUGIN)
    assert of(PLUGIN + SCORINGS.replace("scorings", "trainings")) != of(PLUGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(0.5, 0.25)", "(0.5, 0.2)"),
        ("(0.5, 0.25)", "[0.5, 0.25]"),
        ("1.0", "1"),
        ("1.0", "True"),
        ("SHARES[0] + 1.0", "SHARES[0] - 1.0"),
        ("SHARES[0] + 1.0", "1.0 + SHARES[0]"),
        ("weight**self.power", "(weight**self).power"),
        ("option(2,", "option(3,"),
        ("at_least=1", "at_least=0"),
        ("power: int", "power: float"),
        ("power: int", "exponent: int"),
        ('Literal["plain", "signed"]', 'Literal["plain"]'),
        ("@dataclass(frozen=True)", "@dataclass(frozen=True, order=True)"),
        ("    @property\n", ""),
        ("class Mine(Scorer)", "class Mine(Scorer, Other)"),
        ("from mine.helpers import scaled", "from mine.others import scaled"),
        ("from mine.helpers import scaled", "from .helpers import scaled"),
        ("import torch\n", ""),
        ('name = "mine"', 'name = "yours"'),
        ('ranks_by = "magnitude"', 'ranks_by = "random"'),
        ('ranks_by = "magnitude"', 'ranks_by: str = "magnitude"'),
        ('f"size of {name:>10}"', 'f"size of {name:>11}"'),
        ('f"size of {name:>10}"', 'f"size of {name!r:>10}"'),
        ('f"size of {name:>10}"', '"size of {name:>10}"'),
        ("trial: Any", "trial: Any = None"),
        ("self, trial: Any", "self, *, trial: Any"),
        ("for name, weight", "async for name, weight"),
        ("return found", "yield found"),
    ],
)
def test_everything_that_can_decide_a_result_counts(old: str, new: str):
    """One change each."""
    assert PLUGIN.count(old) >= 1
    assert of(PLUGIN.replace(old, new)) != of(PLUGIN)


def test_the_order_of_statements_counts():
    """Also of two that look independent."""
    assert of("x = 1\ny = 2\n") != of("y = 2\nx = 1\n")


EXAMPLE = '''
"""A docstring."""
from typing import Any

x: Any = None
y = (x, 10, "é", f"{x:{y}}!", *z)  # five


def f(a: int, b=-1.5, *, c, **d) -> Any:
    """Nothing."""
'''


def test_the_text_is_pinned():
    """Whatever the version of Python: a change here throws away every stored result."""
    assert of(EXAMPLE) == (
        "(Module body=["
        "(Assign targets=[(Name id='x')] value=(Constant)) "
        "(Assign targets=[(Name id='y')] value=(Tuple elts=["
        "(Name id='x') (Constant value=0xa) (Constant value='\\xe9') "
        "(JoinedStr values=[(FormattedValue conversion=-0x1 format_spec=(JoinedStr values=["
        "(FormattedValue conversion=-0x1 value=(Name id='y'))]) value=(Name id='x')) (Constant value='!')]) "
        "(Starred value=(Name id='z'))])) "
        "(FunctionDef args=(arguments args=[(arg arg='a') (arg arg='b')] "
        "defaults=[(UnaryOp op=(USub) operand=(Constant value=1.5))] kw_defaults=[None] kwarg=(arg arg='d') "
        "kwonlyargs=[(arg arg='c')]) name='f')])"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if TYPE_CHECKING:\n    x = 1\n", ""),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    y = 2\n", "y = 2\n"),
        ("def f():\n    x: int = 1\n", "def f():\n    x = 1\n"),
        ("def f():\n    x: int\n", "def f():\n    x: float\n"),
        ("def f(): ...", "def f(): pass"),
        ("@property\ndef f(a: int): ...", "@property\ndef f(a): ..."),
        ("x = f(a)", "x = (\n    f(a,)\n)"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("x = option(1, WORDS)", "x = option(1)"),
        ("from collections.abc import Iterator\ndef f() -> Iterator: ...", "def f(): ..."),
        ("def f():\n    class A:\n        summary = 'a'\n", "def f():\n    class A: ...\n"),
    ],
)
def test_what_does_not_count(one: str, other: str):
    """Each by itself, in a file that knows the two names."""
    head = "from typing import TYPE_CHECKING\nfrom ticketbench import option\n"
    assert of(head + one) == of(head + other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # not the names that they look like
        ("TYPE_CHECKING = True\nif TYPE_CHECKING:\n    x = 1\n", "TYPE_CHECKING = True\n"),
        (
            "from typing import TYPE_CHECKING\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    x = 1\n",
            "from typing import TYPE_CHECKING\nTYPE_CHECKING = 1\n",
        ),
        (
            "from typing import TYPE_CHECKING\nfrom y import *\nif TYPE_CHECKING:\n    x = 1\n",
            "from typing import TYPE_CHECKING\nfrom y import *\n",
        ),
        ("from mine import option\nx = option(1, 'a')", "from mine import option\nx = option(1, 'b')"),
        (
            "from ticketbench import option\ndef f(option):\n    return option(1, 'a')",
            "from ticketbench import option\ndef f(option):\n    return option(1, 'b')",
        ),
        ("from ticketbench import option\nx = option(1, f())", "from ticketbench import option\nx = option(1)"),
        ("from ticketbench import option\nx = option(*a, 'b')", "from ticketbench import option\nx = option(*a)"),
        # read by someone
        ("@f.register\ndef g(a: int): ...", "@f.register\ndef g(a: str): ..."),
        ("from typing import cast\nx = cast(int, y)", "x = cast(int, y)"),
        ("from typing import cast\nx = cast", "from mine import cast\nx = cast"),
        # makes it local
        ("def f():\n    x: int\n    return x", "def f():\n    return x"),
        # a field or an option
        ("class A:\n    x: int = 1", "class A:\n    x = 1"),
        ("class A:\n    if y:\n        x: int = 1", "class A:\n    if y:\n        x: str = 1"),
        ("class A:\n    summary: str = 'a'", "class A:\n    summary: str = 'b'"),
        ("class A:\n    summary = f('a')", "class A:\n    summary = f('b')"),
        ("def f():\n    summary = 'a'", "def f():\n    summary = 'b'"),
        # numbers and texts that are alike
        ("x = 1", "x = '1'"),
        ("x = b'1'", "x = '1'"),
        ("x = None", "x = 'None'"),
        ("x = ''", "x = None"),
        ("x = {**a}", "x = {a: a}"),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ..."),
    ],
)
def test_what_counts(one: str, other: str):
    """Whatever only looks like one of the exceptions."""
    assert of(one) != of(other)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_built_in_plugin_written_anew_from_its_tree_means_the_same(path: Path):
    """Without comments, in another layout, and with another docstring."""
    text = path.read_text(encoding="utf-8")
    assert of('"""Other words."""\n' + ast.unparse(ast.parse(text))) == of(text)


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.binary())))
def test_different_data_means_different_things(values: list[object]):
    """And the same data the same, however it is laid out; no character ends a text or hides what follows."""
    lines = "x = [\n" + "".join(f"    {value!a},  # {place}\n" for place, value in enumerate(values)) + "]"
    assert of(f"x = {values!a}") == of(lines)
    assert of(f"x = {[*values, 1]!a}") != of(lines)


def test_a_deep_tree_is_written():
    """Hundreds of `elif` are as many levels."""
    text = "if x == 0:\n    y = 0\n" + "".join(f"elif x == {number}:\n    y = {number}\n" for number in range(1, 400))
    assert of(text).count("(If ") == 400


def test_the_core_has_the_attributes_that_are_shown_alone():
    """Texts for people are class attributes of every contract."""
    assert all(hasattr(core.Contract, name) or name in core.Contract.__annotations__ for name in DISPLAYED)
