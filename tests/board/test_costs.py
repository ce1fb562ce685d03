"""Costs on boards are the schema's, in one order everywhere."""

from __future__ import annotations

from board_records import cell, row, submission

from ticketbench.board.costs import COSTS, tabled
from ticketbench.board.lines import lines_of
from ticketbench.store.column import columns_of
from ticketbench.store.schema import CellRecord


def test_costs_of_a_unit_stand_together():
    """What was spent, then what is left; tables leave out what only one entry is looked at for."""
    assert [(cost.name, cost.tabled) for cost in COSTS] == [
        ("draw_seconds", True),
        ("train_seconds", True),
        ("first_step_seconds", False),
        ("train_steps", True),
        ("draw_flops", True),
        ("train_flops", True),
        ("flops", True),
        ("energy", True),
        ("device_memory", False),
        ("parameters", True),
        ("exact_density", False),
        ("headline_x", False),
        ("sweep_best", False),
        ("sweep_last", False),
        ("overthinking", False),
    ]
    said = {one.name: one.about.meaning for one in columns_of(CellRecord)}
    assert all(cost.meaning == said[cost.name] for cost in COSTS)


def test_a_table_has_the_costs_that_any_line_knows(tmp_path):
    """Means over the seeds that have the number; energy where a card told it."""
    parts = [row("x", 0.1, [0.5, 0.5], energy=3.0), [cell("y", 0.1, 0, 0.5, energy=1.0), cell("y", 0.1, 1, 0.5)]]
    lines, _ = lines_of(submission(tmp_path / "a", *parts))
    assert [cost.heading for cost in tabled(lines)] == [
        "draw, s",
        "train, s",
        "FLOPs a pass",
        "energy, J",
        "parameters",
    ]
    assert {line.row: line.costs["energy"] for line in lines} == {"x": 3.0, "y": 1.0}
    assert tabled([]) == []
