"""Structural learning with forgetting, against a loop of plain torch."""

from __future__ import annotations

import pytest
from plain_loop import PlainLoop, given_trial, largest

from ticketbench import OptionError
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.forgetting import Forgetting

PRUNABLE = ("0.weight", "2.weight")


def decayed(threshold: float):
    """0.02·Σ|θ| over the weights below a threshold."""
    return lambda weights: 0.02 * sum(weights[name].abs()[weights[name].abs() < threshold].sum() for name in PRUNABLE)


@pytest.mark.parametrize("threshold", [0.3, 0.0])
def test_three_phases_are_those_of_a_plain_loop(threshold: float):
    """All forget for 6 of 12 steps, the small ones for 4 more; the 36 largest of 72 weights are trained for two."""
    trial = given_trial()
    loop = PlainLoop(trial)
    own = []
    for number, request in enumerate(Forgetting(strength=0.02, threshold=threshold, rough=0.5, cut=0.85).draw(trial)):
        if number == 1:
            sizes = sorted((float(w) for name in PRUNABLE for w in loop.weights[name].abs().flatten()), reverse=True)
            own.append(threshold or sizes[35])
        assert request.until == (6, 10)[number]
        loop.train((6, 4)[number], decayed(float("inf") if number == 0 else own[0]))
        carry_out(trial, request)
        loop.check(trial)
    loop.put(largest({name: loop.weights[name].abs() for name in PRUNABLE}, 36))
    loop.train(2)
    carry_out(trial, trial.train())
    loop.check(trial)
    assert len(own) == 1


def test_without_selection_all_forget_up_to_the_cut():
    """One stretch; at density 1 nothing is cut."""
    for density, kept in ((0.5, 36), (1.0, 72)):
        trial = given_trial(density=density)
        loop = PlainLoop(trial)
        (request,) = [*carried_out(trial, Forgetting(strength=0.02, selective=False, cut=0.5))]
        assert request.until == 6
        loop.train(6, decayed(float("inf")))
        if density < 1:
            loop.put(largest({name: loop.weights[name].abs() for name in PRUNABLE}, kept))
        loop.check(trial)


def carried_out(trial, method):
    """The requests of a method, each done with."""
    for request in method.draw(trial):
        carry_out(trial, request)
        yield request


def test_phases_out_of_order_and_none_at_all_are_refused(tiny_suite, cells_of):
    """Each says what would work."""
    method = '{ method = { name = "forgetting", rough = 0.9 } }'
    with pytest.raises(OptionError, match=r"rough = 0.9 must not be more than cut = 0.6"):
        cells_of(tiny_suite(('{ method = "dense" }', method)))
    with pytest.raises(OptionError, match=r"cut = 0.01 leaves no step of 12 .* at least 0.0833"):
        next(Forgetting(rough=0.0, cut=0.01).draw(given_trial()))


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Forgetting(threshold=0.0))
