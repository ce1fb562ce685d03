"""Hard concrete gates against steps written out in plain torch, and against their own distribution."""

from __future__ import annotations

import math

import pytest
import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial

from ticketbench import StepView
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.l0 import GATE, L0, HardConcrete


def test_training_equals_steps_written_out(tiny_suite, cells_of, trial_of):
    """30 of 40 steps under gates of the trial's own noise; the 36 highest log α are left, θ·z as it was seen."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    requests = L0(strength=3.0, pace=5.0, closed=0.3).draw(trial)
    request = next(requests)
    carry_out(trial, trial.train(until=0, regime=request.regime))
    first = trial.extras
    assert all((part - math.log(0.7 / 0.3)).abs().max() < 0.05 for part in first.values())
    plain = Plainly.of(trial, first)

    def seen(now, drawn):
        shown, count = {}, 0.0
        for name, weight in now.weights.items():
            level = now.extras[f"{GATE}{name}"]
            stretched = 1.2 * torch.sigmoid((torch.log(drawn[name] / (1 - drawn[name])) + level) * 1.5) - 0.1
            shown[name] = weight * torch.clip(stretched, 0, 1)
            count = count + torch.sigmoid(level + math.log(11) / 1.5).sum()
        return shown, 3.0 * count / 24

    carry_out(trial, request)
    plain.train(30, seen, pace=5.0, noise="uniform")
    plain.check(trial, rtol=1e-4)
    levels = {name: plain.extras[f"{GATE}{name}"].detach() for name in NAMES}
    for name, level in levels.items():
        gate = (1.2 * level.sigmoid() - 0.1).clip(0, 1)
        torch.testing.assert_close(trial.computed[name], plain.weights[name].detach() * gate, rtol=1e-4, atol=1e-4)
    flat = torch.cat([level.flatten() for level in levels.values()])
    own = int((flat > -math.log(11)).sum()) / 72
    assert next(requests, None) is None
    assert [finding[2:] for finding in trial.findings] == [("own density", own)]
    kept = torch.cat([trial.mask[name].flatten() for name in NAMES])
    assert kept.equal(flat >= flat.sort(descending=True).values[35])


@pytest.mark.parametrize("level", [-1.0, 0.5])
def test_the_penalty_is_the_chance_of_an_open_gate(level: float):
    """Of 200,000 gates as many are open as the formula says, to half a percent."""
    regime = HardConcrete(("a",), strength=2.0, examples=10)
    size = 200_000
    noise = {"a": torch.rand(size, generator=torch.Generator().manual_seed(0))}
    step = StepView({"a": torch.ones(size)}, {}, {f"{GATE}a": torch.full((size,), level)}, noise, torch.tensor(0.0))
    open_gates = float((regime.computed(step)["a"] > 0).float().mean())
    assert float(regime.penalty(step)) / size * 10 / 2 == pytest.approx(open_gates, abs=5e-3)


def test_gates_that_are_judged_have_no_noise():
    """log α = −2.5 is closed, −2.3 a little open, 0 half, 3 wholly."""
    levels = {f"{GATE}a": torch.tensor([-2.5, -2.3, 0.0, 3.0])}
    step = StepView({"a": torch.full((4,), -2.0)}, {}, levels, None, torch.tensor(1.0))
    expected = [0.0, -2 * (1.2 / (1 + math.exp(2.3)) - 0.1), -1.0, -2.0]
    assert HardConcrete(("a",)).computed(step)["a"].tolist() == pytest.approx(expected, abs=1e-6)


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(L0())
