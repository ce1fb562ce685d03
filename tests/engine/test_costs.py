"""What a record says that its cell has cost, worked out by hand."""

from __future__ import annotations

import pytest

ROWS = ('["dense", "magnitude"]', '["dense", "magnitude", "snip", "imp"]')
BATCH, STEPS = 20, 20


@pytest.fixture
def records(tiny_suite, records_of):
    """Row -> the record of its first seed: 20 steps of 20 examples, and half of the weights kept."""
    return {record["row"]: record for record in records_of(tiny_suite(ROWS), seeds=1)}


def test_the_flops_of_training_are_three_forwards_an_example(records):
    """A backward pass counts as two forward passes; each at the density that the ticket is trained at."""
    for record in records.values():
        assert record["train_flops"] == pytest.approx(3 * record["flops"] * BATCH * STEPS)
    assert records["dense"]["train_flops"] > records["magnitude"]["train_flops"]


def test_the_flops_of_drawing_are_what_was_spent_before_the_ticket(records):
    """Nothing where only weights are looked at; one batch of gradients; a whole dense training."""
    dense = records["dense"]["flops_dense"]
    assert (records["dense"]["draw_flops"], records["magnitude"]["draw_flops"]) == (0.0, 0.0)
    assert records["snip"]["draw_flops"] == pytest.approx(3 * dense * BATCH)
    assert records["imp"]["draw_flops"] == pytest.approx(3 * dense * BATCH * STEPS)
