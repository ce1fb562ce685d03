"""How long a fleet's first training step was waited for."""

from __future__ import annotations

import time

import pytest
import torch

from ticketbench.engine.first_step import FirstStep

CPU = torch.device("cpu")


def test_the_first_step_is_noted_and_all_else_is_passed_on(monkeypatch):
    """Three seconds to the first step; later ones change nothing, and what has no steps is for the listener alone."""
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    heard: list[tuple[str, int]] = []
    first = FirstStep(CPU, lambda phase, steps: heard.append((phase, steps)))
    first.hear("judging", 0)
    assert first.seconds is None
    for phase, steps in (("drawing", 0), ("drawing", 5), ("training", 0), ("training", 7)):
        first.hear(phase, steps)
    assert first.seconds == 3.0
    assert heard == [("judging", 0), ("drawing", 5), ("training", 7)]


def test_every_cell_of_a_fleet_waited_as_long(tiny_suite, records_of):
    """The same for all, no longer than the fleet took; and whoever watches hears of whole intervals only."""
    start = time.time()
    records = records_of(tiny_suite())
    (dense, pruned) = ({r["first_step_seconds"] for r in records if r["row"] == row} for row in ("dense", "magnitude"))
    assert (len(dense), len(pruned)) == (1, 1)
    assert all(0 < waited < time.time() - start for waited in (*dense, *pruned))


@pytest.mark.parametrize("phase", ["starting", "judging"])
def test_without_a_step_there_is_nothing_to_note(phase):
    """As in a fleet that is only judged."""
    first = FirstStep(CPU, lambda phase, steps: None)
    first.hear(phase, 0)
    assert first.seconds is None
