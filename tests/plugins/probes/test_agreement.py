"""Disagreement, KL divergence and ensembles, by hand on logits that are biases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ticketbench import TicketError, Trial
from ticketbench.plugin.trial import Companion
from ticketbench.testing import GivenExamples, trial_for
from ticketbench_models.mlp import MLP
from ticketbench_probes.agreement import Agreement

INPUTS = torch.eye(4)
TARGETS = torch.tensor([0, 1, 2, 0])


@pytest.fixture
def trial() -> Trial:
    """Four inputs, each with logits of its own: a row of the only weight matrix."""
    task = GivenExamples(INPUTS, TARGETS)
    made = trial_for(model=MLP(hidden=(), bias=False), task=task)
    made.look_back(task, task.test())
    return made


def says(trial: Trial, *logits: tuple[float, float, float]) -> np.ndarray:
    """Make the network answer with these logits; the probabilities."""
    (name,) = trial.parameters
    trial.set_weights({name: torch.tensor(logits).T})
    exponentials = np.exp(np.array(logits))
    return exponentials / exponentials.sum(1, keepdims=True)


ZERO, ONE, TWO = (2.0, 0.0, 1.0), (0.0, 3.0, 1.0), (0.5, 0.0, 4.0)
"""Logits for each class."""


def kl(p: np.ndarray, q: np.ndarray) -> float:
    """The mean over the examples of Σ p log(p / q)."""
    return float((p * np.log(p / q)).sum(1).mean())


@pytest.fixture
def solutions(trial) -> dict[str, np.ndarray]:
    """The truth is 0, 1, 2, 0; prune says 0 1 2 1, lottery 0 1 1 1 and 0 0 2 0, the judged network 1 1 2 0."""
    found = {}
    for name, answers in {
        "prune start": (TWO, TWO, TWO, TWO),
        "prune end": (ZERO, ONE, TWO, ONE),
        "lottery 1 end": (ZERO, ONE, ONE, ONE),
        "lottery 2 end": (ZERO, ZERO, TWO, (0.9, 0.1, 0.2)),
    }.items():
        found[name] = says(trial, *answers)
        trial.keep(name)
    found["this"] = says(trial, ONE, ONE, TWO, ZERO)
    return found


def test_one_by_one(trial, solutions):
    """The judged network differs from prune at two of four, from the lotteries at three and at two."""
    found = Agreement().measure(trial)
    assert not any("start" in name for name in found)
    assert {name: found[f"disagreement with {name}"] for name in list(solutions)[1:4]} == {
        "prune end": 0.5,
        "lottery 1 end": 0.75,
        "lottery 2 end": 0.5,
    }
    assert {name: found[f"accuracy of {name}"] for name in list(solutions)[1:4]} == {
        "prune end": 0.75,
        "lottery 1 end": 0.5,
        "lottery 2 end": 0.75,
    }
    for name in list(solutions)[1:4]:
        assert found[f"kl to {name}"] == pytest.approx(kl(solutions["this"], solutions[name]), abs=1e-6)


def test_group_by_group(trial, solutions):
    """The lotteries differ at three of four; prune from them at one and at two."""
    found = Agreement().measure(trial)
    one, two = solutions["lottery 1 end"], solutions["lottery 2 end"]
    assert found["disagreement within lottery"] == 0.75
    assert found["kl within lottery"] == pytest.approx((kl(one, two) + kl(two, one)) / 2, abs=1e-6)
    assert found["disagreement of lottery with prune end"] == pytest.approx((0.25 + 0.5) / 2)
    assert found["mean accuracy of lottery"] == pytest.approx(0.625)
    right = ((one + two) / 2).argmax(1) == TARGETS.numpy()
    assert found["ensemble accuracy of lottery"] == right.mean()
    assert not {"disagreement within prune", "ensemble accuracy of prune"} & set(found)
    assert "disagreement of prune with prune end" not in found


def test_an_ensemble_averages_probabilities_and_not_logits(trial):
    """Logits (0, 10, 0) and twice (4, 0, 0): their mean says 1, p ≈ (0, 1, 0) and twice (.96, .02, .02) say 0."""
    for at, answer in enumerate([(0.0, 10.0, 0.0), (4.0, 0.0, 0.0), (4.0, 0.0, 0.0)]):
        says(trial, *[answer] * 4)
        trial.keep(f"lottery {at} end")
    assert Agreement().measure(trial)["ensemble accuracy of lottery"] == 0.5  # the class 0 is right for two of four


def test_the_judged_network_may_be_one_of_a_group(trial, solutions):
    """A third lottery: pairs differ at 3, 3 and 2 of four; against prune 1, 2 and 2."""
    found = Agreement(joins="lottery").measure(trial)
    assert found["disagreement within lottery"] == pytest.approx((0.75 + 0.75 + 0.5) / 3)
    assert found["disagreement of lottery with prune end"] == pytest.approx((0.25 + 0.5 + 0.5) / 3)
    members = [solutions["lottery 1 end"], solutions["lottery 2 end"], solutions["this"]]
    both = [kl(one, other) for one in members for other in members if one is not other]
    assert found["kl within lottery"] == pytest.approx(np.mean(both), abs=1e-6)
    assert found["mean accuracy of lottery"] == pytest.approx((0.5 + 0.75 + 0.75) / 3)
    right = np.mean(members, axis=0).argmax(1) == TARGETS.numpy()
    assert found["ensemble accuracy of lottery"] == right.mean()


def test_a_group_of_the_judged_network_alone(trial, solutions):
    """It is compared with prune and has nothing within."""
    found = Agreement(joins="scratch").measure(trial)
    assert found["disagreement of scratch with prune end"] == 0.5
    assert not any(name.endswith("within scratch") for name in found)
    assert "disagreement of lottery with prune end" not in Agreement(against="").measure(trial)


def test_the_kl_of_certain_networks_is_finite(trial):
    """Logits of ±400: log p is computed and not the logarithm of a p that is zero."""
    says(trial, *[(400.0, -400.0, 0.0)] * 4)
    trial.keep("prune end")
    says(trial, *[(-400.0, 400.0, 0.0)] * 4)
    assert Agreement().measure(trial)["kl to prune end"] == pytest.approx(800.0)


def test_outputs_that_are_no_classes_are_refused(trial, solutions, monkeypatch):
    """One answer a pixel, or another number of classes."""
    monkeypatch.setattr(trial, "outputs", lambda inputs, *rest, **more: torch.zeros(len(inputs), 2, 5))
    with pytest.raises(TicketError, match=r"here they have shape \(4, 2, 5\)\. Leave the probe out of this task's"):
        Agreement().measure(trial)
    monkeypatch.undo()
    (name,) = trial.parameters
    trial.meet("narrow end", Companion({name: torch.zeros(2, 4)}, {}, trial.mask))
    with pytest.raises(TicketError, match="'narrow end' has 2, the judged one 3"):
        Agreement().measure(trial)


def test_without_ends_there_is_nothing(trial):
    """Neither is anything asked of the network."""
    trial.keep("prune start")
    assert Agreement().measure(trial) == {}
    assert math.isfinite(float(trial.parameters[next(iter(trial.parameters))].sum()))
