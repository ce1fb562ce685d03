"""Distances to where a training started, by hand and from one step of plain gradient descent."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench import Trial
from ticketbench_probes.distance import Distance

PROBED = 'recipe = "plain"', 'recipe = "plain"\nprobes = [{ name = "distance", every = 5 }]'


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A training that starts at ((3, 0), (0, 0)) and ((0, 4), (0, 0)), with biases (1, 0) and (0, 0)."""
    path = tiny_suite(('"blobs"', '{ name = "blobs", features = 2, classes = 2 }'), ("hidden = [8]", "hidden = [2]"))
    _, cells = cells_of(path)
    made = trial_of(cells[0])
    made.set_weights(
        {
            "1.weight": torch.tensor([[3.0, 0.0], [0.0, 0.0]]),
            "1.bias": torch.tensor([1.0, 0.0]),
            "3.weight": torch.tensor([[0.0, 4.0], [0.0, 0.0]]),
            "3.bias": torch.zeros(2),
        }
    )
    made.set_out()
    return made


def places(*kept: tuple[int, int]) -> Tensor:
    """A mask of 2 × 2 that keeps these places."""
    mask = torch.zeros(2, 2, dtype=torch.bool)
    for place in kept:
        mask[place] = True
    return mask


def test_nothing_has_moved(trial):
    """Both distances are zero at the start."""
    assert Distance().measure(trial) == pytest.approx({"l2": 0.0, "cosine": 0.0})


def test_by_hand(trial):
    """(3, 4) → (0, 5): a length of √(9 + 1), and an angle of cosine 4·5 / (5·5)."""
    trial.set_weights({"1.weight": torch.zeros(2, 2), "3.weight": torch.tensor([[0.0, 5.0], [0.0, 0.0]])})
    found = Distance(per_tensor=True).measure(trial)
    assert found == pytest.approx(
        {"l2": 10**0.5, "cosine": 0.2, "l2 1.weight": 3, "l2 3.weight": 1, "cosine 3.weight": 0}
    )


def test_opposite_weights_are_two_apart(trial):
    """The cosine distance goes up to two."""
    trial.set_weights({name: -weight for name, weight in trial.weights.items()})
    assert Distance().measure(trial) == pytest.approx({"l2": 10, "cosine": 2})


def test_biases_count_on_request(trial):
    """(3, 4, 1) → (3, 4, −1): a length of 2, and an angle of cosine 24 / 26."""
    trial.set_weights({"1.bias": torch.tensor([-1.0, 0.0])})
    assert Distance().measure(trial) == pytest.approx({"l2": 0, "cosine": 0})
    found = Distance(biases=True, per_tensor=True).measure(trial)
    assert (found["l2"], found["cosine"]) == pytest.approx((2, 2 / 26))
    assert (found["l2 1.bias"], found["cosine 1.bias"]) == pytest.approx((2, 2))
    assert "cosine 3.bias" not in found


def test_a_pruned_weight_no_longer_counts_and_a_grown_one_started_at_zero(trial):
    """3 is pruned: nothing has moved. Then (1, 1) of the first layer is grown to 2: (0, 4) → (2, 4)."""
    trial.set_mask({"1.weight": places((0, 1)), "3.weight": places((0, 1))})
    assert Distance().measure(trial) == pytest.approx({"l2": 0, "cosine": 0})
    trial.set_mask({"1.weight": places((0, 1), (1, 1)), "3.weight": places((0, 1))})
    trial.set_weights({"1.weight": torch.tensor([[0.0, 0.0], [0.0, 2.0]])})
    assert Distance().measure(trial) == pytest.approx({"l2": 2, "cosine": 1 - 4 / 20**0.5})


def test_it_looks_every_so_often_from_the_start_to_the_end():
    """Steps 0, 5, 10 of ten; none without `every`."""
    assert list(Distance(every=5).steps(10)) == [0, 5, 10]
    assert list(Distance().steps(10)) == []


def test_one_step_of_gradient_descent_moves_by_its_rate_times_the_gradient(tiny_suite, records_of):
    """‖θ₁ − θ₀‖ = 0.25·‖∇L‖ over live weights, and the step after it is another distance from the same start."""
    changes = (
        ('"blobs"', '{ name = "blobs", examples = 40 }'),
        (
            'optimizer = "adam"\nlearning_rate = 1e-2\nbatch = 20\nsteps = 20\n',
            'optimizer = "sgd"\nmomentum = 0.0\nlearning_rate = 0.25\nbatch = 40\nsteps = 2\n',
        ),
        ('recipe = "plain"', 'recipe = "plain"\nprobes = ["gradient_flow", { name = "distance", every = 1 }]'),
    )
    for record in records_of(tiny_suite(*changes)):
        norm = {(at, name): value for probe, at, name, value in record["probes"] if probe == "gradient_flow"}
        points = {x: value for _, _, metric, _, _, x, value in record["curves"] if metric == "distance/l2"}
        assert sorted(points) == [0, 1, 2]
        assert points[0] == 0
        assert points[1] == pytest.approx(0.25 * norm["drawn", "norm"], rel=1e-5)
        assert points[1] < points[2] <= 2.1 * points[1]


def test_every_training_starts_from_a_place_of_its_own(tiny_suite, records_of):
    """Iterative pruning rewinds between trainings, each of which starts at distance zero and moves."""
    rows = ('["dense", "magnitude"]', '["imp"]'), ("densities = [0.5]", "densities = [0.25]")
    for record in records_of(tiny_suite(*rows, PROBED)):
        curves: dict[int, list[tuple[float, float]]] = {}
        for _, _, metric, training, _, x, value in record["curves"]:
            if metric == "distance/l2":
                curves.setdefault(training, []).append((x, value))
        assert len(curves) == 3
        for points in curves.values():
            assert points[0] == (0, 0)
            assert [x for x, _ in points] == [0, 5, 10, 15, 20]
            assert all(value > 0 for _, value in points[1:])
        end = {at: value for _, at, name, value in record["probes"] if name == "l2"}
        assert end == {"trained": curves[3][-1][1]}
