"""Learning rates at points worked out by hand, and recipes that contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ticketbench.suite.recipe import Recipe

EXAMPLES = 45  # four batches of 10 an epoch; the last partial batch is dropped


def recipe(**changes: Any) -> Recipe:
    """Four epochs of four steps at 0.1."""
    return Recipe.model_validate({"optimizer": "sgd", "learning_rate": 0.1, "batch": 10, "epochs": 4, **changes})


def rates(made: Recipe, steps: list[int]) -> list[float]:
    """The learning rates of some steps."""
    return [made.learning_rate_at(step, EXAMPLES) for step in steps]


def test_the_last_partial_batch_is_dropped():
    """45 examples in batches of 10 are 4 steps an epoch, 16 in four epochs."""
    assert recipe().steps_per_epoch(EXAMPLES) == 4
    assert recipe().total_steps(EXAMPLES) == 16


def test_fewer_examples_than_a_batch_are_one_step_an_epoch():
    """A split of 3 is one batch."""
    assert recipe().steps_per_epoch(3) == 1
    assert recipe().total_steps(3) == 4


def test_a_recipe_in_steps_counts_steps():
    """Seven steps are seven, whatever the epoch."""
    assert recipe(epochs=None, steps=7).total_steps(EXAMPLES) == 7


def test_constant():
    """0.1 from the first step to the last."""
    assert rates(recipe(), [0, 7, 15]) == [0.1, 0.1, 0.1]


def test_step_falls_at_the_first_step_of_each_milestone():
    """Milestones 1 and 3 with factor 1/2: epochs 0 | 1, 2 | 3."""
    made = recipe(schedule="step", milestones=[1, 3], gamma=0.5)
    assert rates(made, [0, 3, 4, 11, 12, 15]) == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_a_milestone_may_lie_within_an_epoch():
    """One and a half epochs are six steps."""
    assert rates(recipe(schedule="step", milestones=[1.5], gamma=0.5), [5, 6]) == [0.1, 0.05]


def test_cosine_by_step():
    """½(1 + cos(π·t/16)) at t = 0, 4, 8, 12: 1, (2+√2)/4, ½, (2−√2)/4; at 16 it reaches 0."""
    found = rates(recipe(schedule="cosine"), [0, 4, 8, 12, 16])
    assert found == pytest.approx([0.1, 0.085355339, 0.05, 0.014644661, 0.0], abs=1e-9)


def test_cosine_by_step_moves_at_every_step():
    """Between two epochs too: cos(π/16) = 0.980785."""
    assert rates(recipe(schedule="cosine"), [1]) == pytest.approx([0.1 * 0.99039264], rel=1e-7)


def test_cosine_by_epoch_stays_for_an_epoch():
    """Epoch 0 at the full rate, epoch 1 at (2+√2)/4, epoch 3 at (2−√2)/4."""
    found = rates(recipe(schedule="cosine", schedule_every="epoch"), [0, 3, 4, 7, 12, 15])
    expected = [0.1, 0.1, 0.085355339, 0.085355339, 0.014644661, 0.014644661]
    assert found == pytest.approx(expected, abs=1e-9)


def test_linear_warm_up_by_step():
    """Two epochs are eight steps: 1/8, 4/8, 8/8, and then the full rate."""
    made = recipe(warmup="linear", warmup_epochs=2)
    assert rates(made, [0, 3, 7, 8, 15]) == pytest.approx([0.0125, 0.05, 0.1, 0.1, 0.1])


def test_linear_warm_up_by_epoch():
    """Half the rate in the first of two epochs, all of it in the second."""
    made = recipe(warmup="linear", warmup_epochs=2, schedule_every="epoch")
    assert rates(made, [0, 3, 4, 7, 8]) == pytest.approx([0.05, 0.05, 0.1, 0.1, 0.1])


def test_exponential_warm_up_moves_once_an_epoch():
    """1 − e^(−1/2), 1 − e^(−1), 1 − e^(−2) of the rate in epochs 0, 1 and 3."""
    made = recipe(warmup="exponential", warmup_epochs=2)
    expected = [0.0393469340, 0.0393469340, 0.0632120559, 0.0864664717]
    assert rates(made, [0, 3, 4, 12]) == pytest.approx(expected, rel=1e-8)


def test_a_warm_up_multiplies_the_schedule():
    """Epoch 1: half the rate by the milestone, times 1 − e^(−1)."""
    made = recipe(schedule="step", milestones=[1], gamma=0.5, warmup="exponential", warmup_epochs=2)
    assert rates(made, [4]) == pytest.approx([0.0316060279], rel=1e-8)


def test_the_paper_of_deep_recurrent_networks_trains_at_these_rates():
    """Adam 1e-3, ×0.1 at 60 and 100, warm-up over 10 epochs: 80 steps an epoch of 8,000 strings."""
    made = recipe(
        optimizer="adam",
        learning_rate=1e-3,
        batch=100,
        epochs=150,
        schedule="step",
        milestones=[60, 100],
        warmup="exponential",
        warmup_epochs=10,
    )
    found = [made.learning_rate_at(epoch * 80, 8000) for epoch in (0, 9, 59, 60, 100)]
    expected = [9.5162582e-05, 6.3212056e-04, 9.9752125e-04, 9.9775713e-05, 9.9995893e-06]
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_first_pattern_that_matches_a_parameter_sets_its_factor():
    """`blocks.*` before `*.weight`; a parameter that nothing matches has factor 1."""
    made = recipe(learning_rate_factors={"blocks.*": 0.5, "*.weight": 2.0})
    names = ["blocks.0.weight", "head.weight", "head.bias"]
    assert [made.factor(name) for name in names] == [0.5, 2.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 10}, "either epochs or steps"),
        ({"epochs": None}, "either epochs or steps"),
        ({"select": "best"}, "needs validate_every"),
        ({"nesterov": True}, "nesterov needs"),
        ({"nesterov": True, "momentum": 0.9, "optimizer": "adam"}, "nesterov needs"),
        ({"warmup": "linear"}, "belong together"),
        ({"warmup_epochs": 3.0}, "belong together"),
        ({"schedule": "step"}, "belong together"),
        ({"milestones": [3]}, "belong together"),
        ({"optimizer": "adam", "momentum": 0.9}, "belongs to optimizer"),
        ({"betas": [1.5, 0.9]}, "betas lie in"),
        ({"decoupled": True}, "needs a weight_decay"),
        ({"learning_rate_factors": {"a": -1.0}}, "learning_rate_factors"),
        ({"warmup": "exponential", "warmup_epochs": 0}, "belong together"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"learning_rte": 0.1}, "learning_rte"),
        ({"batch": 0}, "batch"),
        ({"epochs": 2.5}, "epochs"),
        ({"weight_decay": -1e-4}, "weight_decay"),
        ({"gamma": 0}, "gamma"),
        ({"clip": 0}, "clip"),
        ({"milestones": [-1]}, "milestones"),
        ({"log_every": 0}, "log_every"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str):
    """The complaint names the field or the contradiction."""
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


def test_a_recipe_comes_back_from_its_canonical_text():
    """What a cell records is all there is to know."""
    made = recipe(schedule="step", milestones=[1, 3], betas=[0.8, 0.9], learning_rate_factors={"a": 0.5})
    assert Recipe.model_validate_json(made.text()) == made
