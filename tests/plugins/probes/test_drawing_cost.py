"""What drawing has cost."""

from __future__ import annotations

from types import SimpleNamespace

from ticketbench_probes.drawing_cost import DrawingCost


def test_the_three_numbers_of_the_bill():
    """Seconds, steps and FLOPs, as they stand."""
    trial = SimpleNamespace(spent=SimpleNamespace(seconds=1.5, steps=40, flops=2e9))
    assert DrawingCost().measure(trial) == {"seconds": 1.5, "steps": 40.0, "flops": 2e9}


def costs_of(records) -> dict[str, dict[str, float]]:
    """Row -> what drawing has cost, of the first seed."""
    found: dict[str, dict[str, float]] = {}
    for record in reversed(records):
        assert record["status"] == "ok", record["reason"]
        mine = [finding for finding in record["probes"] if finding[0] == "drawing_cost"]
        assert [moment for _, moment, _, _ in mine] == ["drawn"] * 3
        found[record["row"]] = {name: value for _, _, name, value in mine}
    return found


def test_a_run_notes_what_each_method_spent_until_its_ticket_was_drawn(tiny_suite, records_of):
    """Magnitude needs no step, SNIP a forward and a backward pass, IMP two trainings of 20 steps, at falling density.

    6-8-3: a forward pass is 2·72 FLOPs an example and a step three of them over 20 examples: 8640 of a dense step.
    """
    path = tiny_suite(
        ('recipe = "plain"', 'recipe = "plain"\nprobes = ["drawing_cost"]'),
        ('["dense", "magnitude"]', '["dense", "magnitude", "snip", "imp"]'),
        ("densities = [0.5]", "densities = [0.25]"),
    )
    costs = costs_of(records_of(path))
    assert {row: cost["steps"] for row, cost in costs.items()} == {"dense": 0, "magnitude": 0, "snip": 0, "imp": 40}
    assert costs["dense"]["flops"] == costs["magnitude"]["flops"] == 0
    assert costs["snip"]["flops"] == 8640
    first, second = 20 * 8640, costs["imp"]["flops"] - 20 * 8640
    assert 0.4 * first < second < 0.6 * first  # half of the weights are left, biases and examples aside
    assert all(cost["seconds"] >= 0 for cost in costs.values())
    assert costs["imp"]["seconds"] > costs["magnitude"]["seconds"]
