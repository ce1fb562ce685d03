"""What a record says that its cell has cost, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from ticketbench.engine.execute import device_memory, execute, forget_memory
from ticketbench.plan.resolve import Resolver

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


def test_a_cpu_has_no_memory_of_a_device(records):
    """The process has held some."""
    for record in records.values():
        assert record["device_memory"] is None
        assert record["peak_memory"] > 2**20


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_memory_of_a_gpu_is_of_the_fleet_alone(tiny_suite, cells_of, plugins):
    """What was held before the fleet began does not count; every cell of the fleet says the same."""
    device = torch.device("cuda")
    before = torch.zeros(2**28, dtype=torch.uint8, device=device)
    del before
    forget_memory(device)
    assert device_memory(device) < 2**28
    suite, cells = cells_of(tiny_suite(), methods=("magnitude",))
    held = {record.device_memory for record in execute(cells, Resolver(plugins), suite.headline, "cuda")}
    assert len(held) == 1
    assert 0 < held.pop() < 2**28
