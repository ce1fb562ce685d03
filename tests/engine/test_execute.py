"""A fleet from cells to records."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import torch

from ticketbench import Scorer
from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
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
