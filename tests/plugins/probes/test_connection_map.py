"""The remaining connections of inputs and units, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_recurrent import Blocks, trial_with

from ticketbench import Points, Shapes, TicketError, Trial
from ticketbench_models.recurrent import GRU
from ticketbench_probes.connection_map import ConnectionMap


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """Any trial."""
    _, cells = cells_of(tiny_suite())
    return trial_of(cells[0])


def test_by_hand(trial):
    """Rows 0 and 2 are the first unit's, in two gates; the third input and the second unit's memory are not read."""
    mask = {
        "taken": torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]).bool(),
        "kept": torch.tensor([[0, 1], [0, 0], [1, 1], [0, 1]]).bool(),
        "seen": torch.tensor([[1, 0], [0, 0], [1, 0], [0, 0]]).bool(),
    }
    assert ConnectionMap().measure(trial_with(Blocks(), torch.rand(2, 3), mask)) == {
        "from input": Points("input", ((0.0, 3.0), (1.0, 2.0), (2.0, 0.0))),
        "from hidden": Points("hidden", ((0.0, 1.0), (1.0, 3.0))),
        "from peephole": Points("peephole", ((0.0, 2.0), (1.0, 0.0))),
        "unread input": pytest.approx(1 / 3),
        "unread hidden": 0.0,
        "unread peephole": 0.5,
        "to unit": Points("unit", ((0.0, 8.0), (1.0, 3.0))),
        "unfed": 0.0,
    }


def test_a_unit_that_reads_nothing(trial):
    """Without rows 1 and 3 the second unit is unfed, though it is read."""
    first = torch.tensor([[True], [False], [True], [False]])
    mask = {"taken": first.expand(4, 3), "kept": first.expand(4, 2), "seen": first.expand(4, 2)}
    found = ConnectionMap().measure(trial_with(Blocks(), torch.rand(2, 3), mask))
    assert (found["unfed"], found["unread hidden"]) == (0.5, 0.0)
    assert found["to unit"].values == ((0.0, 14.0), (1.0, 0.0))


def test_a_random_mask_place_by_place(trial):
    """A GRU of 7 units on 4 features at about six percent, against loops over all places of its mask."""
    module = GRU(hidden=7).build(Shapes((3, 4), 2))
    source = torch.Generator().manual_seed(0)
    sizes = {"from_input": (21, 4), "from_hidden": (21, 7)}
    mask = {name: torch.rand(size, generator=source) < 0.06 for name, size in sizes.items()}
    found = ConnectionMap().measure(trial_with(module, torch.rand(2, 3, 4), mask))
    inputs, hidden, units = np.zeros(4), np.zeros(7), np.zeros(7)
    for row in range(21):
        for name, columns in (("from_input", inputs), ("from_hidden", hidden)):
            for column in range(len(columns)):
                if mask[name][row, column]:
                    columns[column] += 1
                    units[row % 7] += 1
    for name, counts in (("from input", inputs), ("from hidden", hidden), ("to unit", units)):
        assert found[name].values == tuple(enumerate(counts))
    assert found["unread hidden"] == np.mean(hidden == 0) > 0
    assert found["unfed"] == np.mean(units == 0)


def test_a_weight_that_is_never_pruned_is_whole(trial):
    """No mask on the inputs: each is read by all four rows."""
    spot = trial_with(Blocks(), torch.rand(2, 3), whole=["taken"])
    assert ConnectionMap().measure(spot)["from input"].values == ((0.0, 4.0), (1.0, 4.0), (2.0, 4.0))


def test_a_network_without_a_recurrent_layer_is_refused(trial):
    """A perceptron has no such map."""
    with pytest.raises(TicketError, match=r"'connection_map' looks into a recurrent layer"):
        ConnectionMap().measure(trial)


def test_a_run_stores_the_margins(tiny_suite, records_of):
    """An LSTM on rows of digits: either margin adds up to the connections left, dense and at a half."""
    path = tiny_suite(
        ('"blobs"', '"seq_digits"'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "lstm", hidden = 6 }'),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('recipe = "plain"', 'recipe = "plain"\nprobes = ["connection_map"]'),
    )
    for record in records_of(path):
        assert record["status"] == "ok", record["reason"]
        margins: dict[str, list[float]] = {}
        for split, _, metric, _, _, _, value in record["curves"]:
            if split == "probe":
                margins.setdefault(metric, []).append(value)
        drawn = {name: values for name, values in margins.items() if name.endswith(" drawn")}
        sizes = {"from input": 8, "from hidden": 6, "to unit": 6}
        assert {name: len(values) for name, values in drawn.items()} == {
            f"connection_map/{name} drawn": size for name, size in sizes.items()
        }
        assert sum(drawn["connection_map/to unit drawn"]) == record["kept"]
        assert sum(sum(values) for values in drawn.values()) == 2 * record["kept"]
