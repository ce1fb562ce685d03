"""Speeds: a step's time by hand on a CPU and on a card, and what is measured here."""

from __future__ import annotations

import pytest

from ticketbench.plan.card import Card
from ticketbench.plan.cost import Cost, Forwards
from ticketbench.plan.count import Size, Work
from ticketbench.plan.speed import SMALL_PRODUCTS, Seconds, Speed, card_speed, cpu_speed, measured_call, measured_rate

SLOW = Speed(
    about="a machine of round numbers",
    device="cpu",
    rates={"fp32": 1e6},
    weight_bytes=1e5,
    activation_bytes=1e4,
    start=10.0,
    first=1.0,
    fleet=2.0,
    cell=0.5,
    step=0.01,
    operation=0.001,
    launch=0.0,
)
COST = Cost(Work(other=100.0, operations=7, activations=40.0), Size(30, {}), steps=20, batch=10, slots=2)
CARD = Card("round", 1e9, 3e9, {"fp32": 1e9, "tf32": 1e10, "bf16": 1e11})


def test_a_training_step_on_a_cpu_by_hand():
    """3 × 100 FLOPs × 10 examples, 29 bytes × 30 weights, 40 bytes × 10 results, each for 5 members; and the host."""
    found = SLOW.training_step(COST, 5, "fp32")
    device = 5 * 3000 / 1e6 + 5 * 870 / 1e5 + 5 * 400 / 1e4
    assert found.all == pytest.approx(0.01 + 7 * 0.001 + device)
    assert found.busy == 0.0


def test_a_captured_step_on_a_card_by_hand():
    """Host and card work at once: the slower counts. 3 × 7 + 12 launches of 2.5 µs, and a share of the peaks."""
    speed = card_speed(CARD, "here")
    found = speed.training_step(COST, 5, "tf32")
    device = 5 * 3000 / (0.2 * 1e10) + 5 * 870 / 2.7e9 + 5 * 400 / 0.9e9 + 33 * 2.5e-6
    assert found.all == found.busy == pytest.approx(device)
    assert found.all > 3e-5


def test_a_step_that_differs_from_step_to_step_is_launched_by_the_host():
    """8 µs for each of the 21 operations, and the host's own 30 µs; the card waits."""
    speed = card_speed(CARD, "here")
    varied = Cost(COST.training, COST.size, COST.steps, COST.batch, slots=2, varied=True)
    found = speed.training_step(varied, 5, "bf16")
    assert found.all == pytest.approx(3e-5 + 7 * 3 * 8e-6)
    assert 0 < found.busy < found.all


@pytest.mark.parametrize(("precision", "peak"), [("fp32", 1e9), ("tf32", 1e10), ("bf16", 1e11)])
def test_small_products_reach_a_share_of_a_cards_peak(precision: str, peak: float):
    """The share is stated, for each precision."""
    assert card_speed(CARD, "here").rate(precision) == SMALL_PRODUCTS[precision] * peak


def test_judging_is_shared_by_a_fleet():
    """600 FLOPs and 30 bytes a member, six operations once."""
    found = SLOW.judging(Forwards(600.0, 6.0, 30.0), 2, "fp32")
    assert found.all == pytest.approx(2 * 600 / 1e6 + 6 * 0.001 / 3 + 2 * 30 / 1e4 / 3)


def test_seconds_add_up():
    """Of the worker and of the card apart."""
    assert Seconds(1.0, 0.5).times(3).plus(Seconds(1.0, 1.0)) == Seconds(4.0, 2.5)


def test_this_machine_has_a_speed():
    """Measured: more than a pocket calculator's, less than a building's."""
    assert 1e6 < measured_rate("cpu") < 1e16
    assert 1e-8 < measured_call() < 1e-2
    speed = cpu_speed()
    assert not speed.on_card
    assert speed.rate("fp32") == speed.rate("tf32") > 0
