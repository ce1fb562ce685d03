"""The share of gates and roles in what is left, counted by hand."""

from __future__ import annotations

import pytest
import torch
from tiny_recurrent import Blocks, Straight, trial_with

from ticketbench import Shapes, TicketError, Trial
from ticketbench_models.recurrent import GRU, LSTM, Peephole, SequenceModel
from ticketbench_probes.gate_balance import GateBalance

NONE = torch.zeros(4, 2, dtype=torch.bool)


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """Any trial."""
    _, cells = cells_of(tiny_suite())
    return trial_of(cells[0])


def test_by_hand(trial):
    """Rows 0 and 1 are the first gate's: of 18 connections it has 5 of 7, 1 of 5 and 2 of 6."""
    mask = {
        "taken": torch.tensor([[1, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 1]]).bool(),
        "kept": torch.tensor([[0, 0], [1, 0], [1, 1], [1, 1]]).bool(),
        "seen": torch.tensor([[1, 1], [0, 0], [1, 1], [1, 1]]).bool(),
    }
    left = 7 + 5 + 6
    assert GateBalance().measure(trial_with(Blocks(), torch.rand(2, 3), mask)) == pytest.approx(
        {
            "open": 8 / left,
            "open from input": 5 / left,
            "open from hidden": 1 / left,
            "open from peephole": 2 / left,
            "shut": 10 / left,
            "shut from input": 2 / left,
            "shut from hidden": 4 / left,
            "shut from peephole": 4 / left,
            "input to hidden": 7 / 5,
        }
    )


def test_nothing_to_divide_by_is_left_out(trial):
    """Without hidden connections no ratio, and without any no shares."""
    spot = trial_with(Blocks(), torch.rand(2, 3), {"kept": NONE})
    assert "input to hidden" not in GateBalance().measure(spot)
    assert GateBalance().measure(spot)["open"] == 0.5
    spot.set_mask({"taken": torch.zeros(4, 3, dtype=torch.bool), "kept": NONE, "seen": NONE})
    assert GateBalance().measure(spot) == {}


def test_a_weight_that_is_never_pruned_is_whole(trial):
    """No mask on the inputs: all twelve count; of the hidden ones two of the first gate are left."""
    kept = NONE.clone()
    kept[0] = True
    spot = trial_with(Blocks(), torch.rand(2, 3), {"kept": kept, "seen": NONE}, whole=["taken"])
    found = GateBalance().measure(spot)
    assert (found["open"], found["input to hidden"]) == (pytest.approx(8 / 14), 6.0)


@pytest.mark.parametrize(
    ("kind", "gates", "share"),
    [
        (GRU, ["reset", "update", "candidate"], 400 / 428),
        (LSTM, ["input", "forget", "candidate", "output"], 400 / 428),
        (Peephole, ["input", "forget", "candidate", "output"], 400 / 828),
    ],
)
def test_dense_layers_are_balanced(trial, kind: type[SequenceModel], gates: list[str], share: float):
    """400 units on rows of 28: every gate alike, and 28 input connections for 400 recurrent ones, 0.07 as printed."""
    module = kind(hidden=400).build(Shapes((28, 28), 10))
    found = GateBalance().measure(trial_with(module, torch.rand(2, 28, 28)))
    assert found["input to hidden"] == 28 / 400 == 0.07
    for gate in gates:
        assert found[gate] == pytest.approx(1 / len(gates))
        assert found[f"{gate} from hidden"] == pytest.approx(share / len(gates))
    assert sum(found[gate] for gate in gates) == pytest.approx(1)


def test_zero_weights_are_no_mask(trial):
    """A kept weight that happens to be zero is a connection."""
    spot = trial_with(Straight([[0.0, 0.0]], [[1.0]]), torch.rand(2, 3, 2))
    assert GateBalance().measure(spot) == {
        "state": 1.0,
        "state from input": 2 / 3,
        "state from hidden": 1 / 3,
        "input to hidden": 2.0,
    }


def test_a_network_without_a_recurrent_layer_is_refused(trial):
    """A perceptron has no gates."""
    with pytest.raises(TicketError, match=r"'gate_balance' looks into a recurrent layer"):
        GateBalance().measure(trial)


def test_a_run_notes_every_moment(tiny_suite, records_of):
    """A GRU on rows of digits, dense and at a half: shares add up, and the dense ratio is 8 / 6."""
    path = tiny_suite(
        ('"blobs"', '"seq_digits"'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "gru", hidden = 6 }'),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('recipe = "plain"', 'recipe = "plain"\nprobes = ["gate_balance"]'),
    )
    for record in records_of(path):
        assert record["status"] == "ok", record["reason"]
        found: dict[str, dict[str, float]] = {}
        for _, moment, name, value in record["probes"]:
            found.setdefault(moment, {})[name] = value
        assert {"drawn", "trained"} <= found.keys()
        for numbers in found.values():
            assert numbers["reset"] + numbers["update"] + numbers["candidate"] == pytest.approx(1)
            assert record["row"] != "dense" or numbers["input to hidden"] == pytest.approx(8 / 6)
