"""How long a tier would train is arithmetic on what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.gpu.mixed_fleets import members_of
from benchmarks.gpu.projections import kinds_of
from benchmarks.gpu.stand_ins import StandInResolver
from benchmarks.gpu.suites import label, tier_of, with_recipe
from ticketbench.plan.cell import Choice
from ticketbench.plugin.loading import Plugins


def test_the_init_tier_by_hand(plugins: Plugins):
    """88 cells, twenty trainings of five epochs of 1,000 steps each: 8.8 million; 44 at a time, 0.3 ms a step: 60 s."""
    tier = tier_of("init", "paper", plugins, StandInResolver(plugins))
    (kind,) = kinds_of("init", tier, lambda setting: 44)
    assert kind.seconds() is None
    assert kind.steps() == pytest.approx(8.8e6)
    assert sum(len(fleet.cells) for fleet in kind.fleets) == 88
    assert {members_of(fleet) for fleet in kind.fleets} == {44}
    assert replace(kind, measured={44: 3e-4}).seconds() == pytest.approx(60.0)
    assert replace(kind, measured={88: 5e-4}).seconds() == pytest.approx(100.0)  # fleets of 44 at the step of 88
    assert replace(kind, measured={11: 1e-4}).seconds() == pytest.approx(80.0)  # in parts of 11
    assert replace(kind, measured={11: 1e-4, 40: 3e-4}).seconds() == pytest.approx(66.0)


def test_cells_under_another_recipe_are_other_cells_of_one_setting(plugins: Plugins):
    """Their keys differ, so that nobody takes their records for the suite's."""
    cells = tier_of("init", "smoke", plugins, StandInResolver(plugins)).plan.cells
    changed = with_recipe(cells, log_every=7)
    assert not {cell.key for cell in cells} & {cell.key for cell in changed}
    assert len({id(cell.setting) for cell in changed}) == len({id(cell.setting) for cell in cells})
    assert all('"log_every": 7' in cell.setting.recipe for cell in changed)


def test_labels_tell_things_apart():
    """Sizes are shown, other options are not."""
    assert label(Choice("net", '{"bias":true,"hidden":400}')) == "net (hidden 400)"
    assert label(Choice("net", '{"bias":true}')) == "net"
