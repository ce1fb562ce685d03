"""Fewer bits: products in bf16, everything else as in fp32."""

from __future__ import annotations

import json

import pytest
import torch
from places import STRANGER

from ticketbench import stacked_linear


def test_a_suite_runs_in_bf16(tiny_suite, ticketbench):
    """Every cell is computed, and its record says how; accuracies are those of fp32 but for rounding."""
    path, means = tiny_suite(("steps = 20", "steps = 100")), {}
    for precision in ("fp32", "bf16"):
        found = ticketbench(
            "run", "--suite", path, "--tier", "smoke", "--plugin", STRANGER, "--precision", precision, "--json"
        )
        assert found.returncode == 0, found.stderr
        records = json.loads(found.stdout)["records"]
        assert {record["precision"] for record in records} == {precision}
        means[precision] = sum(record["headline"] for record in records) / len(records)
    assert means["bf16"] == pytest.approx(means["fp32"], abs=0.05)


def test_a_stacked_product_under_autocast_has_the_gradients_of_fp32_to_three_digits():
    """The backward pass runs outside autocast, on what the forward pass saved."""
    source = torch.Generator().manual_seed(0)
    inputs, weight, bias = (torch.randn(shape, generator=source) for shape in ((2, 5, 8), (2, 4, 8), (2, 4)))
    found = {}
    for enabled in (False, True):
        leaves = [tensor.clone().requires_grad_(True) for tensor in (inputs, weight, bias)]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = stacked_linear(*leaves)
        assert outputs.dtype == (torch.bfloat16 if enabled else torch.float32)
        outputs.float().square().sum().backward()
        found[enabled] = [leaf.grad for leaf in leaves]
    for exact, rounded in zip(found[False], found[True], strict=True):
        assert rounded.dtype == torch.float32
        assert torch.allclose(exact, rounded, rtol=0.05, atol=0.3)
