"""Cells: their keys are pinned, cover everything that decides a result, and survive travelling."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketbench.plan.cell import Cell, Choice, Setting, make_cell

SETTING = Setting(
    suite="tiny",
    suite_version=3,
    tier="smoke",
    row="snip",
    method=Choice("oneshot", '{"scope":"global"}', "aaaa"),
    scorer=Choice("snip", '{"batches":2}', "bbbb"),
    model=Choice("mlp", '{"bias":true,"hidden":[8]}', "cccc"),
    task=Choice("blobs", '{"classes":3}', "dddd"),
    protocol=Choice("same", "{}", "eeee"),
    initializer=Choice("default", "{}", "ffff"),
    probes=(Choice("gradient_norm", '{"examples":5}', "0000"),),
    recipe_name="plain",
    recipe='{"batch":20,"optimizer":"adam"}',
    precision="fp32",
    device_class="cpu",
    stage_sources=(("other_task", "1111"),),
)

TEXT = """ticketbench cell 1, engine 1
suite: tiny 3, tier smoke, row snip
method: oneshot {"scope":"global"}
model: mlp {"bias":true,"hidden":[8]}
task: blobs {"classes":3}
protocol: same
initializer: default
scorer: snip {"batches":2}
probe: gradient_norm {"examples":5}
recipe: {"batch":20,"optimizer":"adam"}
precision: fp32, device cpu
source: method oneshot aaaa
source: model mlp cccc
source: task blobs dddd
source: protocol same eeee
source: initializer default ffff
source: scorer snip bbbb
source: probe gradient_norm 0000
source: stage other_task 1111
density: 0.5
seed: 7
"""


def cell(setting: Setting = SETTING, density: float = 0.5, seed: int = 7) -> Cell:
    """A cell of the hand-made setting."""
    return make_cell(setting, setting.text(), density, seed)


def test_the_canonical_text_is_pinned():
    """Readable, a line a choice, sources at the end."""
    assert cell().text() == TEXT


def test_keys_are_pinned():
    """Twenty hexadecimal digits of SHA-256 over the text: a change here throws away every stored result."""
    assert cell().key == "93e611ea46a058fa6cc1"
    assert cell(density=1.0).key == "7d33402a1543bd860715"
    assert cell(seed=8).key == "6af69e3e6c73a45b6faa"
    assert cell(replace(SETTING, scorer=None, probes=(), stage_sources=())).key == "48f0e6dd8114c87e7e96"


def other(value: Any) -> Any:
    """Something else of the same type."""
    if isinstance(value, Choice):
        return value._replace(name=value.name + "2")
    if isinstance(value, tuple):
        return ()
    return value + (1 if isinstance(value, int) else "2")


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Setting)} - {"recipe_name"}))
def test_every_field_of_a_setting_changes_the_key(name: str):
    """Nothing that decides a result is left out."""
    changed = replace(SETTING, **{name: other(getattr(SETTING, name))})
    assert cell(changed).key != cell().key


@pytest.mark.parametrize("kind", ["method", "scorer", "model", "task", "protocol", "initializer"])
@pytest.mark.parametrize("part", ["name", "options", "source"])
def test_every_part_of_a_choice_changes_the_key(kind: str, part: str):
    """The name, an option, and the source behind it."""
    choice = getattr(SETTING, kind)
    changed = replace(SETTING, **{kind: choice._replace(**{part: getattr(choice, part) + "2"})})
    assert cell(changed).key != cell().key


def test_density_and_seed_change_the_key():
    """Down to the last bit of the density."""
    assert len({cell().key, cell(density=0.5000000000000001).key, cell(seed=8).key}) == 3


def test_the_recipe_counts_and_not_its_name():
    """Renaming a recipe throws nothing away."""
    assert cell(replace(SETTING, recipe_name="renamed")).key == cell().key


def test_trading_places_changes_the_key():
    """A name that serves as two kinds of thing is two things."""
    swapped = replace(SETTING, protocol=SETTING.initializer, initializer=SETTING.protocol)
    assert cell(swapped).key != cell().key


@settings(deadline=None)
@given(st.floats(0, 1, exclude_min=True), st.integers(0, 2**31), st.booleans())
def test_a_cell_survives_json(density: float, seed: int, bare: bool):
    """What a worker gets is the same cell: every field of the same type, the same key from the same text."""
    setting = replace(SETTING, scorer=None, probes=(), stage_sources=()) if bare else SETTING
    before = cell(setting, density, seed)
    after = Cell.from_plain(json.loads(json.dumps(before.to_plain())))
    assert after == before
    assert hash(after) == hash(before)
    assert {field.name: type(getattr(after.setting, field.name)) for field in fields(Setting)} == {
        field.name: type(getattr(setting, field.name)) for field in fields(Setting)
    }
    assert make_cell(after.setting, after.setting.text(), after.density, after.seed).key == before.key


def test_a_choice_reads_as_its_name_and_options():
    """As the columns of a record show it."""
    assert str(Choice("same")) == "same"
    assert str(SETTING.scorer) == 'snip {"batches":2}'


SHARED = ["model", "task", "protocol", "recipe", "method", "precision", "device_class", "engine"]


@pytest.mark.parametrize("name", SHARED)
def test_what_cells_must_share_to_be_stacked(name: str):
    """Another of these is another fleet."""
    changed = replace(SETTING, **{name: other(getattr(SETTING, name))})
    assert changed.fleet_text() != SETTING.fleet_text()


@pytest.mark.parametrize("name", ["row", "scorer", "initializer", "probes", "recipe_name"])
def test_what_cells_of_a_fleet_may_differ_in(name: str):
    """Rows, scorers and initializers share a stacked model."""
    changed = replace(SETTING, **{name: other(getattr(SETTING, name))})
    assert changed.fleet_text() == SETTING.fleet_text()
