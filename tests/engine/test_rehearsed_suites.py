"""Every suite's smoke tier as a GPU would compute it, but for the GPU: stacks of all methods, steps replayed.

The stand-in for a graph fixes what the host decided, overwrites what was used up, and refuses whatever a capture would.
"""

from __future__ import annotations

import math

import pytest

from ticketbench.engine import replay
from ticketbench.engine.execute import execute
from ticketbench.engine.rehearsal import Rehearsal
from ticketbench.plan.plan import Selection, find_suite, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench_models.sequence_buffers import Buffers, Form, Lender

REPLAYED = {"drn": 0, "lth": 1, "init": 1, "gradflow": 1, "rnn": 1}
"""Deep thinking networks draw at each step how far they think: their steps are launched."""


@pytest.mark.parametrize("name", REPLAYED)
def test_a_smoke_tier_is_the_same_when_its_steps_are_replayed(name: str, monkeypatch):
    """Each cell ends as it does when its steps are launched, with the headline to one example in fifty."""
    monkeypatch.setattr(replay, "SEVERAL", 1)  # recordings of several steps are held elsewhere, and take longer
    monkeypatch.setattr(Lender, "lend", lambda self, form, like: fresh(form, like))  # reused on a CPU alone
    monkeypatch.setattr(Lender, "take_back", lambda self, buffers, form: None)
    plugins = load_plugins()
    suite, resolver = find_suite(name, plugins), Resolver(plugins)
    plan = make_plan(suite, "smoke", plugins, Selection(seeds=1), engine="full")
    for fleet in plan.fleets(plan.cells, "cuda", 1):
        headline = suite.headlines.get(fleet.cells[0].setting.task.name, suite.headline)
        launched = execute(fleet.cells, resolver, headline)
        replayed = execute(fleet.cells, resolver, headline, recording=Rehearsal)
        for mine, theirs in zip(replayed, launched, strict=True):
            where = f"{theirs.row}: {mine.reason}"
            assert (mine.status, mine.kept, mine.train_steps) == (theirs.status, theirs.kept, theirs.train_steps), where
            assert ("rehearsal" in mine.engine) == bool(REPLAYED[name]), where
            assert math.isclose(mine.headline, theirs.headline, rel_tol=0.02, abs_tol=0.02), where


def fresh(form: Form, like) -> Buffers:
    """Buffers of their own for each pass."""
    return form.fresh(like)
