"""A fleet from cells to records."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, replace

import pytest
import torch
from interrupted import Runs

from ticketbench import Scorer
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.errors import SuiteError
from ticketbench.plan.cell import make_cell
from ticketbench.plan.resolve import Resolver


def test_every_cell_leaves_a_record_with_exact_density(tiny_suite, records_of):
    """The 6-8-3 network has 48 + 24 prunable weights: dense keeps all, magnitude half."""
    records = records_of(tiny_suite())
    assert [(r["row"], r["seed"], r["status"], r["kept"], r["prunable"]) for r in records] == [
        ("dense", 0, "ok", 72, 72),
        ("dense", 1, "ok", 72, 72),
        ("magnitude", 0, "ok", 36, 72),
        ("magnitude", 1, "ok", 36, 72),
    ]
    assert all(math.isfinite(r["headline"]) for r in records)


def test_the_time_to_draw_is_booked_to_drawing(tiny_suite, cells_of, plugins):
    """A scorer that takes half a second before training costs its cell at least that, and not as training."""

    @dataclass(frozen=True)
    class Slow(Scorer):
        name = "slow"
        summary = "sleeps"

        def score(self, trial):
            time.sleep(0.5)
            return {name: weight.abs() for name, weight in trial.weights.items()}

    suite, cells = cells_of(tiny_suite(), methods=("magnitude",), seeds=1)
    cast = replace(Resolver(plugins).cast(cells[0].setting), scorer=Slow())
    (member,) = lead(Bench(cells, [cast], torch.device("cpu")), suite.headline, lambda phase, steps: None, keep=False)
    assert member.status == "ok"
    assert member.draw_seconds >= 0.5
    assert member.train_seconds > 0


@pytest.mark.parametrize("seats", [1, 2])
def test_cells_of_two_engines_are_no_fleet(tiny_suite, cells_of, plugins, seats: int):
    """One stack computes all: what waits would be computed by the first one's engine, and after a pause by its own."""
    suite, (first, *_) = cells_of(tiny_suite())
    changed = replace(first.setting, engine="sparse")
    other = make_cell(changed, changed.text(), first.density, first.seed)
    words = re.escape(f"cells {first.key} and {other.key} cannot be trained as one fleet: their engine is not the same")
    with pytest.raises(SuiteError, match=words):
        Runs.of_plan([first, other], plugins, seats).undisturbed()
    records = execute([first, other], Resolver(plugins), suite.headline, seats=seats)
    assert [record.status for record in records] == ["failed", "failed"]
    assert re.search(words, records[0].reason)
