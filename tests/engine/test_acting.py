"""Methods act; scorers and probes look, and cannot change the cell even if they try."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ticketbench import Method, Probe, Scorer
from ticketbench.testing import run_method

ACTS = {
    "set_weights": lambda trial: trial.set_weights(trial.weights),
    "set_mask": lambda trial: trial.set_mask(trial.mask),
    "prune": lambda trial: trial.prune(0.9, scores=trial.weights),
    "rewind": lambda trial: trial.rewind(trial.snapshot()),
    "restart": lambda trial: trial.restart(),
    "reinitialize": lambda trial: trial.reinitialize(),
    "report": lambda trial: trial.report(),
    "note": lambda trial: trial.note("a number", 1.0),
    "keep": lambda trial: trial.keep("a network"),
}


@dataclass(frozen=True)
class Pruned(Method):
    """One shot by the row's scorer."""

    name = "pruned"
    summary = "for tests"
    ranks_by = "magnitude"

    def draw(self, trial):
        trial.prune()


@dataclass(frozen=True)
class Meddling(Scorer):
    """|θ|, and an act for seed 1."""

    name = "meddling"
    summary = "for tests"

    act: str = ""

    def score(self, trial):
        if trial.seed == 1 and self.act:
            ACTS[self.act](trial)
        return {name: weight.abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Touching(Probe):
    """An act for seed 1."""

    name = "touching"
    summary = "for tests"

    act: str = ""

    def measure(self, trial):
        if trial.seed == 1 and self.act:
            ACTS[self.act](trial)
        return {"nothing": 0.0}


def lived(act: str, who: str) -> list[tuple[str, str, float]]:
    """Status, reason and headline of three seeds, where somebody acts who must not."""
    scorer = Meddling(act if who == "scorer" else "")
    probes = [Touching(act)] if who == "probe" else []
    outcomes = run_method(Pruned(), scorer, probes=probes, seeds=(0, 1, 2))
    return [(outcome.status, outcome.reason, outcome.headline) for outcome in outcomes]


@pytest.mark.parametrize("who", ["scorer", "probe"])
@pytest.mark.parametrize("act", ACTS)
def test_who_looks_cannot_act(act: str, who: str):
    """The cell fails with who did what; its neighbours are what they are without."""
    name = "meddling" if who == "scorer" else "touching"
    found, untouched = lived(act, who), lived("", who)
    assert found[1][0] == "failed"
    assert f"{who} '{name}' called trial.{act}(), which would change the cell" in found[1][1]
    assert [found[0], found[2]] == [untouched[0], untouched[2]]


def test_a_method_may_act_after_it_has_scored():
    """A score that is over forbids nothing."""
    assert [status for status, _, _ in lived("", "scorer")] == ["ok", "ok", "ok"]
