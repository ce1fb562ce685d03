"""Class-blind, class-uniform and class-distribution, on numbers that can be followed by hand."""

from __future__ import annotations

import pytest
import torch
from plain_loop import given_trial
from rewinding import pass_by

from ticketbench.testing import check_method, run_method
from ticketbench.testing.networks import Elman
from ticketbench_methods.after_training import AfterTraining
from ticketbench_methods.schemes import classes_of, mask_by_scheme
from ticketbench_methods.weight_classes import WeightClasses
from ticketbench_scorers.magnitude import Magnitude

WEIGHTS = {"a": torch.tensor([[1.0, -2.0, 3.0, -4.0]]), "b": torch.tensor([[10.0, 20.0], [-30.0, 40.0]])}
ALL = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in WEIGHTS.items()}
EACH = {"a": "a", "b": "b"}


def places(mask: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    """The flat indices that a mask keeps."""
    return {name: part.flatten().nonzero().flatten().tolist() for name, part in mask.items()}


@pytest.mark.parametrize(
    ("scheme", "kept"),
    [
        ("blind", {"a": [], "b": [1, 2, 3]}),
        ("uniform", {"a": [2, 3], "b": [3]}),  # 1½ of each, and the first class has the odd one
        # σ of a is √7.25, of b √650: the sizes are 0.37, 0.74, 1.11, 1.49 and 0.39, 0.78, 1.18, 1.57
        ("distribution", {"a": [3], "b": [2, 3]}),
    ],
)
def test_three_schemes_by_hand(scheme: str, kept: dict[str, list[int]]):
    """Three of eight weights."""
    assert places(mask_by_scheme(scheme, WEIGHTS, ALL, EACH, 3)) == kept


def test_deviations_are_those_of_a_class():
    """-1, 2, -3 and 4 have the mean ½ and σ = √7.25; the threshold is the same multiple of it in every class."""
    weights = {"a": torch.tensor([1.0, -2.0, 3.0, -4.0]), "b": torch.tensor([2.6, -2.6])}
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    # σ of a 2.69, of b 2.6: sizes 0.37, 0.74, 1.11, 1.49 and 1, 1
    assert places(mask_by_scheme("distribution", weights, masks, EACH, 2)) == {"a": [2, 3], "b": []}
    assert places(mask_by_scheme("distribution", weights, masks, EACH, 3)) == {"a": [2, 3], "b": [0]}
    # as one class of mean 0 all have the same σ, and the sizes decide
    assert places(mask_by_scheme("distribution", weights, masks, {"a": "c", "b": "c"}, 3)) == {"a": [2, 3], "b": [0]}
    assert places(mask_by_scheme("uniform", weights, masks, {"a": "c", "b": "c"}, 3)) == {"a": [2, 3], "b": [0]}


def test_what_is_gone_stays_gone():
    """Under an earlier mask deviations, shares and ranks are those of live weights; an empty class has no deviation."""
    earlier = {"a": torch.tensor([[False, True, True, False]]), "b": torch.zeros(2, 2, dtype=torch.bool)}
    for scheme in ("blind", "uniform", "distribution"):
        assert places(mask_by_scheme(scheme, WEIGHTS, earlier, EACH, 1)) == {"a": [2], "b": []}
    assert mask_by_scheme("distribution", {"a": torch.zeros(2, 2)}, {"a": torch.ones(2, 2).bool()}, {"a": "a"}, 3)[
        "a"
    ].tolist() == [[True, True], [True, False]]


def test_classes_of_a_recurrent_layer():
    """By weight each is its own; by layer the recurrent ones are together, and the read-out is by itself."""
    names = ["taken", "kept", "read_out.weight"]
    module = Elman(4, 6, 3)
    assert classes_of(module, names, "weight") == {name: name for name in names}
    assert classes_of(module, names, "layer") == {
        "taken": "recurrent layer",
        "kept": "recurrent layer",
        "read_out.weight": "read_out",
    }


def test_rounds_train_before_and_after_each_pruning():
    """To 51 and 36 of 72, each time from the start of the schedule, on the weights as they are."""
    trial = given_trial()
    requests, counts = WeightClasses(rounds=2).draw(trial), []
    for request in requests:
        assert (request.until, request.regime, trial.step) == (None, None, 0)
        pass_by(trial, request)
        counts.append(sum(int(part.sum()) for part in trial.mask.values()))
    assert counts == [72, 51]
    assert (sum(int(part.sum()) for part in trial.mask.values()), trial.step) == (36, 0)
    assert [WeightClasses(rounds=2).trainings(density) for density in (0.5, 1.0)] == [3, 1]
    assert WeightClasses(then="stop").trainings(0.5) == 1
    assert list(WeightClasses().draw(given_trial(density=1.0))) == []


@pytest.mark.parametrize(("scheme", "scope"), [("blind", "global"), ("uniform", "layerwise")])
def test_class_blind_is_one_threshold_and_class_uniform_a_layers_own(scheme: str, scope: str):
    """The masks and weights of magnitude pruning after training in the scope of the same meaning, bit for bit."""
    (one,) = run_method(WeightClasses(scheme=scheme), densities=(0.3,))
    (other,) = run_method(AfterTraining(then="finetune", scope=scope), Magnitude(), densities=(0.3,))
    assert all(part.equal(other.mask[name]) for name, part in one.mask.items())
    assert all(part.equal(other.weights[name]) for name, part in one.weights.items())


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(WeightClasses(scheme="distribution", classes="layer"))
