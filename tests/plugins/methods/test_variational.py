"""Variational dropout against steps written out in plain torch, and its divergence against the integral."""

from __future__ import annotations

import math

import pytest
import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial

from ticketbench import StepView
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.variational import VARIANCE, Noisy, VariationalDropout, divergence


def test_training_equals_steps_written_out(tiny_suite, cells_of, trial_of):
    """30 of 40 steps with the trial's own noise, λ rising for 20; the 36 weights of the smallest log α are left."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    requests = VariationalDropout(strength=0.5, pace=4.0, start=-4.0, warm=0.5).draw(trial)
    plain = Plainly.of(trial, {f"{VARIANCE}{name}": torch.full_like(trial.weights[name], -4.0) for name in NAMES})

    def levels(now):
        return {
            name: now.extras[f"{VARIANCE}{name}"] - torch.log(weight**2 + 1e-8) for name, weight in now.weights.items()
        }

    def seen(now, drawn):
        shown = {
            name: weight + drawn[name] * torch.sqrt(torch.exp(now.extras[f"{VARIANCE}{name}"]))
            for name, weight in now.weights.items()
        }
        cost = 0.0
        for level in levels(now).values():
            level = level.clip(-8, 8)
            gain = 0.63576 * torch.sigmoid(1.87320 + 1.48695 * level) - 0.5 * torch.log(1 + torch.exp(-level)) - 0.63576
            cost = cost - gain.sum()
        return shown, 0.5 * min(1, now.step / 20) * cost / 24

    carry_out(trial, request := next(requests))
    assert request.until == 30
    plain.train(30, seen, pace=4.0, noise="normal")
    plain.check(trial, rtol=1e-4)
    flat = {name: level.detach() for name, level in levels(plain).items()}
    for name, level in flat.items():
        assert trial.computed[name].equal(trial.weights[name].where(level < 3, 0))
    every = torch.cat([level.flatten() for level in flat.values()])
    assert next(requests, None) is None
    assert [finding[2:] for finding in trial.findings] == [("own density", int((every < 3).sum()) / 72)]
    kept = torch.cat([trial.mask[name].flatten() for name in NAMES])
    assert kept.equal(every <= every.sort().values[35])


@pytest.mark.parametrize("level", [-4.0, -1.0, 0.0, 2.0])
def test_the_divergence_is_that_of_the_integral(level: float):
    """KL = E log|ε| − ½·log α + C with ε ~ N(1, α), by 400,000 draws; differences of it, as C is not known."""
    source = torch.Generator().manual_seed(0)
    noise = torch.randn(400_000, generator=source, dtype=torch.float64)

    def integral(log_alpha: float) -> float:
        return float((1 + math.exp(log_alpha / 2) * noise).abs().log().mean()) - log_alpha / 2

    found = divergence(torch.tensor([level, 6.0], dtype=torch.float64))
    assert float(found[0] - found[1]) == pytest.approx(integral(level) - integral(6.0), abs=0.02)


def test_what_is_noise_alone_is_not_judged():
    """α = σ²/θ²: with σ² = 1, weights below exp(−3/2) = 0.223 are zero."""
    step = StepView(
        {"a": torch.tensor([0.22, -0.23, 0.0, 5.0])}, {}, {f"{VARIANCE}a": torch.zeros(4)}, None, torch.tensor(1.0)
    )
    assert Noisy(("a",)).computed(step)["a"].tolist() == pytest.approx([0, -0.23, 0, 5])


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(VariationalDropout())
