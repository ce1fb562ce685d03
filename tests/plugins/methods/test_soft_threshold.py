"""STR against steps written out in plain torch."""

from __future__ import annotations

import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial

from ticketbench.testing import carry_out, check_method
from ticketbench_methods.soft_threshold import LEVEL, SoftThreshold, SoftThresholds


def test_training_equals_steps_written_out(tiny_suite, cells_of, trial_of):
    """30 of 40 steps: θ and s of both layers; then the largest |θ| − σ(s) are left as the forward saw them."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    requests = SoftThreshold(strength=0.01, start=-3.0, pace=2.0).draw(trial)
    plain = Plainly.of(trial, {f"{LEVEL}{name}": torch.tensor(-3.0) for name in NAMES})

    def thresholds(now):
        return {name: 1 / (1 + (-now.extras[f"{LEVEL}{name}"]).exp()) for name in NAMES}

    def seen(now, drawn):
        cut = thresholds(now)
        shown = {
            name: torch.where(weight.abs() > cut[name], weight - weight.sign() * cut[name], 0.0 * weight)
            for name, weight in now.weights.items()
        }
        return shown, 0.005 * sum(level**2 for level in now.extras.values())

    carry_out(trial, request := next(requests))
    assert request.until == 30
    plain.train(30, seen, pace=2.0)
    plain.check(trial, rtol=1e-5)
    shown, _ = seen(plain, None)
    assert all(torch.allclose(trial.computed[name], shown[name].detach(), atol=1e-5) for name in NAMES)
    own = sum(int((part != 0).sum()) for part in shown.values()) / 72
    assert 0 < own < 1
    assert next(requests, None) is None
    assert [finding[2:] for finding in trial.findings] == [("own density", own)]
    cut = thresholds(plain)
    worth = torch.cat([(plain.weights[name].abs() - cut[name]).detach().flatten() for name in NAMES])
    limit = worth.sort(descending=True).values[35]
    mask = torch.cat([trial.mask[name].flatten() for name in NAMES])
    assert mask.equal(worth >= limit)


def test_the_threshold_by_hand():
    """σ(0) = ½: of 2, −2, 0.4 and −0.5 one and a half are left of the first two, and the penalty of s = 3 is 4.5·λ."""
    from ticketbench import StepView

    regime = SoftThresholds(("a",), strength=2.0)
    weights = {"a": torch.tensor([2.0, -2.0, 0.4, -0.5])}
    step = StepView(weights, {}, {f"{LEVEL}a": torch.tensor(0.0)}, None, torch.tensor(1.0))
    assert regime.computed(step)["a"].tolist() == [1.5, -1.5, 0, 0]
    assert float(regime.penalty(StepView(weights, {}, {f"{LEVEL}a": torch.tensor(3.0)}, None, torch.tensor(1.0)))) == 9


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(SoftThreshold())
