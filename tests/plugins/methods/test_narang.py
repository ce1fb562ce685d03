"""A rising threshold, against the printed algorithm and an implementation of its own in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rewinding import pass_by
from stepwise import Bits, Reference, exact_trial, top
from trainings import trainings

from ticketbench import OptionError, Trial
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.narang import Narang, percentiles

QUICK = Narang(begin=0.1, ramp=0.3, end=0.6, every=4, q="initial")


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network at density ½."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def printed(step: int, q: float, every: int, start: int, ramp: int, end: int, steeper: float) -> float:
    """The threshold as Algorithm 1 and the appendix print it."""
    theta = 2 * q * every / (2 * (ramp - start) + 3 * (end - ramp))
    phi = steeper * theta
    if step < ramp:
        return theta * (step - start + 1) / every
    return (theta * (ramp - start + 1) + phi * (step - ramp + 1)) / every


def test_thresholds_by_hand():
    """Steps 10, 30 and 50 of 100, every 10: 2/100 a step up to the ramp, half as much again after it."""
    updates = Narang(begin=0.1, ramp=0.3, end=0.5, every=10).updates(100)
    assert [step for step, _ in updates] == [20, 30, 40]  # between 10 and 50, both left out
    assert [threshold for _, threshold in updates] == pytest.approx([0.22, 0.45, 0.75])


@pytest.mark.parametrize("every", [1, 7, 100])
@pytest.mark.parametrize("steeper", [1.5, 2.0])
def test_thresholds_are_the_printed_ones(every: int, steeper: float):
    """For every q, as multiples of it."""
    method = Narang(begin=0.02, ramp=0.3, end=0.6, every=every, steeper=steeper)
    updates = method.updates(2000)
    assert [step for step, _ in updates] == [step for step in range(41, 1200) if step % every == 0]
    for step, threshold in updates:
        assert 0.3 * threshold == pytest.approx(printed(step, 0.3, every, 40, 600, 1200, steeper))


def test_the_threshold_comes_to_q_at_the_end():
    """With φ = 1.5·θ, as the slope is made for it; with 2·θ it goes beyond."""
    assert Narang(every=1).updates(100_000)[-1][1] == pytest.approx(1, abs=1e-4)
    assert Narang(every=1, steeper=2.0).updates(100_000)[-1][1] > 1.2


@pytest.mark.parametrize(("sparsity", "expected"), [(0.9, 10.0), (0.5, 6.0), (0.0, 1.0), (0.999, 10.0)])
def test_a_percentile_has_that_share_below_it(sparsity: float, expected: float):
    """Of sizes 1 to 10 in any order and with any sign."""
    weight = torch.tensor([[3.0, -1, 10, -7, 5], [-2, 9, 4, 8, -6]])
    found = percentiles({"one": weight, "zero": torch.zeros(2, 2)}, sparsity)
    assert float(found["one"]) == expected
    assert 0 < float(found["zero"]) < 1e-30


def quantile(weight: np.ndarray, sparsity: float) -> float:
    """The size that this share of the weights lies below."""
    return float(np.sort(np.abs(weight).ravel())[round(sparsity * weight.size)])


def by_hand(reference: Reference, limits: list[float], threshold: float, last: bool, least: int) -> list[Bits]:
    """The masks after an update: what is above the threshold, but no fewer than the target, and that at the end."""
    sizes = [np.abs(weight) / limit for weight, limit in zip(reference.weights, limits, strict=True)]
    above = [mask & (size >= threshold) for mask, size in zip(reference.masks, sizes, strict=True)]
    count = sum(int(mask.sum()) for mask in above)
    if not last and count >= least:
        return above
    flat = np.concatenate([size.ravel() for size in sizes])
    kept = top(flat, least, np.concatenate([mask.ravel() for mask in reference.masks]))
    return [part.reshape(mask.shape) for part, mask in zip(np.split(kept, [48]), reference.masks, strict=True)]


@pytest.mark.parametrize("method", [QUICK, replace(QUICK, q="trained"), replace(QUICK, steeper=6.0)])
def test_training_equals_a_step_by_step_reference(trial, method: Narang):
    """Updates at 8, 12, 16 and 20 of 40 steps, two of them by the threshold alone: weights, momenta and masks.

    "trained": the percentiles are those after 40 dense steps, and then all begins from the first weights. A steep
    threshold reaches 36 weights before the end, and leaves no fewer.
    """
    requests, reference, dense = trainings(method, trial), Reference.of(trial), Reference.of(trial)
    if method.q == "trained":
        assert next(requests).until is None
        carry_out(trial, trial.train())
        dense.train(40)
    limits = [quantile(weight, 0.5) for weight in dense.weights]
    seen, alone = [72], 0
    for step in (8, 12, 16, 20):
        assert next(requests).until == step
        if step == 8:
            assert trial.step == 0
        reference.train(step)
        carry_out(trial, trial.train(step))
        reference.check(trial)
        threshold = printed(step, 1.0, 4, 4, 12, 24, method.steeper)
        alone = sum(
            int((mask & (np.abs(weight) >= limit * threshold)).sum())
            for weight, limit, mask in zip(reference.weights, limits, reference.masks, strict=True)
        )
        reference.put(by_hand(reference, limits, threshold, step == 20, 36))
        seen.append(sum(int(mask.sum()) for mask in reference.masks))
    assert next(requests, None) is None
    reference.train(40)
    carry_out(trial, trial.train())
    reference.check(trial)
    assert seen[-1] == 36
    assert 72 > seen[1] > seen[2] >= seen[3]
    assert (seen[3] == 36) == (method.steeper == 6.0)
    assert [finding[2:] for finding in trial.findings] == [("density by threshold", alone / 72)]


def test_every_layer_has_a_threshold_of_its_own(trial):
    """A layer a thousand times larger keeps its share, where one threshold for both would keep all of it."""
    trial.set_weights({"1.weight": trial.parameters["1.weight"] * 1000})
    for request in trainings(QUICK, trial):
        pass_by(trial, request)
    kept = {name: int(mask.sum()) for name, mask in trial.mask.items()}
    assert sum(kept.values()) == 36
    assert abs(kept["1.weight"] - 24) <= 1


def test_a_layer_of_zeros_is_no_division_by_zero(trial):
    """It is below every threshold."""
    trial.set_weights({"3.weight": torch.zeros_like(trial.parameters["3.weight"])})
    for request in trainings(QUICK, trial):
        pass_by(trial, request)
    assert {name: int(mask.sum()) for name, mask in trial.mask.items()} == {"1.weight": 36, "3.weight": 0}


def test_updates_that_do_not_fit_say_so():
    """Every 100 steps, but none of 20 is a multiple of it."""
    with pytest.raises(OptionError, match=r"every = 100 leaves no update between step 1 .* and step 10 .* of 20"):
        Narang().updates(20)


@pytest.mark.parametrize("shares", ["begin = 0.3", "ramp = 0.6", "begin = 0.5, ramp = 0.5"])
def test_shares_out_of_order_are_refused(tiny_suite, cells_of, shares: str):
    """The suite's reader names all three."""
    method = f'{{ method = {{ name = "narang", {shares} }} }}'
    with pytest.raises(OptionError, match=r"begin = .*, ramp = .* and end = .* must come in this order"):
        cells_of(tiny_suite(('{ method = "dense" }', method)))


@pytest.mark.parametrize("q", ["trained", "initial"])
def test_the_contract(q: str):
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Narang(every=4, q=q))


@pytest.mark.parametrize(
    ("q", "density", "trainings"), [("trained", 0.42, 2), ("initial", 0.42, 1), ("trained", 1.0, 1)]
)
def test_a_whole_run(tiny_suite, records_of, q: str, density: float, trainings: int):
    """30 of 72 weights, judged once, after one training, or two where a dense one shows the percentiles."""
    method = f'{{ method = {{ name = "narang", every = 2, q = "{q}" }} }}'
    path = tiny_suite(
        ('{ method = "dense" }', method),
        ('["dense", "magnitude"]', '["dense"]'),
        ("densities = [0.5]", f"densities = [{density}]"),
    )
    assert Narang(q=q).trainings(density) == trainings
    for record in records_of(path):
        assert (record["status"], record["kept"]) == ("ok", 30 if density < 1 else 72)
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [record["kept"] / 72]
