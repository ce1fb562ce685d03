"""What the methods of dynamic sparse training have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stepwise import NAMES, dropped_and_grown, exact_trial
from torch import Tensor
from trainings import trainings

from ticketbench import MaskView, Trial
from ticketbench.testing import carry_out, optimizer_of
from ticketbench_methods.dynamic import DropAndGrow, DropAndGrowRule


@dataclass(frozen=True)
class InOrder(DropAndGrowRule):
    """Grows the lower index first."""

    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """Falling numbers."""
        return {name: -torch.arange(float(w.numel())).view(w.shape) for name, w in view.weights.items()}


@dataclass(frozen=True)
class BySize(DropAndGrowRule):
    """Grows by scores that come in the place of a gradient."""

    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """The scores."""
        return view.gradient


@dataclass(frozen=True)
class Given(DropAndGrow):
    """Grows the lower index first."""

    name = "given"
    summary = "grows what it is told to"

    def rule(self) -> InOrder:
        """In order."""
        return InOrder()


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network with a random first mask of 36 weights."""
    return exact_trial(tiny_suite, cells_of, trial_of, "rigl")


def updated(fraction: float, scores: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """The next mask of a single layer, grown by these scores."""
    share = torch.tensor(fraction, dtype=torch.float64)
    view = MaskView({"a": weight}, {"a": mask}, {"fraction": share}, gradient={"a": scores})
    return BySize().masks(view)["a"]


VALUES = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 1.0, 3.0])


@settings(deadline=None)
@given(st.integers(1, 12), st.floats(0, 1), st.data())
def test_an_update_with_ties_equals_the_reference(size: int, fraction: float, data):
    """Equal weights and equal scores are dropped and grown by index; the count does not change."""
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    weight = torch.tensor(data.draw(st.lists(VALUES, min_size=size, max_size=size))) * mask
    scores = torch.tensor(data.draw(st.lists(VALUES, min_size=size, max_size=size)))
    found = updated(fraction, scores, mask, weight)
    expected = dropped_and_grown([mask.numpy()], [weight.numpy()], [scores.numpy()], fraction)
    assert found.tolist() == expected[0].tolist()
    assert int(found.sum()) == int(mask.sum())


def test_an_update_by_hand():
    """Of 4 active weights half are dropped, 1 and -1; the best two of the free places grow, one just dropped."""
    mask = torch.tensor([True, True, True, True, False, False])
    weight = torch.tensor([1.0, -3.0, 2.0, -1.0, 0.0, 0.0])
    scores = torch.tensor([0.5, 9.0, 9.0, 0.1, 0.7, 0.4])
    assert updated(0.5, scores, mask, weight).tolist() == [True, True, True, False, True, False]


@pytest.mark.parametrize(("fraction", "replaced"), [(0.39, 1), (0.4, 2), (0.59, 2), (0.6, 3), (0.19, 0)])
def test_the_number_to_replace_is_rounded_down(fraction: float, replaced: int):
    """int(5·f) of five weights; the free places are the best."""
    mask = torch.tensor([True] * 5 + [False] * 5)
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0] + [0.0] * 5)
    scores = torch.arange(10.0)
    found = updated(fraction, scores, mask, weight)
    assert found.tolist() == [False] * replaced + [True] * (5 - replaced) + [False] * (5 - replaced) + [True] * replaced


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_just_dropped_weight_that_grows_back_keeps_its_value_and_a_new_one_starts_at_zero(
    tiny_suite, cells_of, trial_of, optimizer: str
):
    """Everything is dropped (f = 1): what returns keeps value and slots, what is new has zeros in all of them."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)
    requests = trainings(Given(every=5, fraction=1.0, schedule="constant"), trial)
    carry_out(trial, next(requests))
    mask = trial.mask
    assert set(optimizer_of(trial).slots) == ({"momentum_buffer"} if optimizer == "sgd" else {"exp_avg", "exp_avg_sq"})

    def state(name: str) -> list[Tensor]:
        return [trial.weights[name].clone(), *(slot[name] for slot in optimizer_of(trial).slots.values())]

    before = {name: state(name) for name in NAMES}
    next(requests)
    for name in NAMES:
        back, new = trial.mask[name] & mask[name], trial.mask[name] & ~mask[name]
        assert int(back.sum()) > 0
        assert int(new.sum()) > 0
        for tensor, earlier in zip(state(name), before[name], strict=True):
            assert tensor[back].equal(earlier[back])
            assert int(torch.count_nonzero(tensor[back])) > 0
            assert int(torch.count_nonzero(tensor[~back])) == 0


def test_the_share_that_is_replaced(trial):
    """Cosine from 0.3 to 0 at step 30 of 40, or constant."""
    cosine = [Given().fraction_at(step, trial) for step in (0, 10, 15, 30)]
    assert cosine == pytest.approx([0.3, 0.225, 0.15, 0.0])
    assert Given(stop=1.0).fraction_at(20, trial) == pytest.approx(0.15)
    assert Given(schedule="constant").fraction_at(29, trial) == 0.3


def test_the_share_can_follow_the_learning_rate(tiny_suite, cells_of, trial_of):
    """A quarter and half down a cosine of 20 steps the rate, and so the share, is ½(1 + cos πt/20) of the first."""
    _, cells = cells_of(tiny_suite(("steps = 20", 'steps = 20\nschedule = "cosine"')))
    trial, method = trial_of(cells[0]), Given(every=5, schedule="learning_rate")
    shares = [method.fraction_at(step, trial) for step in (5, 10)]
    assert shares == pytest.approx([0.15 * (1 + math.cos(math.pi / 4)), 0.15])


def test_after_a_warm_up_the_share_is_largest_where_the_learning_rate_is(tiny_suite, cells_of, trial_of):
    """The rate is a tenth of its height at step 0, all of it from step 9: no share exceeds the first one."""
    warm = 'steps = 60\nwarmup = "linear"\nwarmup_epochs = 2'
    _, cells = cells_of(tiny_suite(("steps = 20", warm), ('"blobs"', '{ name = "blobs", examples = 100 }')))
    trial, method = trial_of(cells[0]), Given(every=5, schedule="learning_rate")
    assert trial.steps_per_epoch == 5
    assert [method.fraction_at(step, trial) for step in (5, 10, 15)] == pytest.approx([0.18, 0.3, 0.3])


@pytest.mark.parametrize(
    ("stop", "every", "expected"),
    [(0.75, 5, [5, 10, 15, 20, 25]), (1.0, 10, [10, 20, 30]), (1.0, 9, [9, 18, 27, 36]), (0.0, 1, []), (0.5, 30, [])],
)
def test_the_steps_of_the_updates(trial, stop: float, every: int, expected: list[int]):
    """Multiples of ΔT before the end; never at the last step, after which nothing would train what has grown."""
    stops = []
    for request in trainings(Given(stop=stop, every=every), trial):
        stops.append(request.until)
        carry_out(trial, request)
    assert stops == expected


@pytest.mark.parametrize(
    ("scope", "kept"), [("erk", [20, 16]), ("er", [20, 16]), ("layerwise", [24, 12]), ("uniform", [24, 12])]
)
def test_the_first_mask_has_the_layer_densities_of_the_scope(trial, scope: str, kept: list[int]):
    """36 of 72 weights in the ratio 14 : 11, or half of each layer; the first alone would exceed the budget."""
    next(trainings(Given(scope=scope), trial), None)
    assert [int(mask.sum()) for mask in trial.mask.values()] == kept


def test_the_fraction_ever_active_is_noted(trial):
    """One update replaces everything by the first places of each layer: what was or is active, of 72."""
    requests = trainings(Given(every=20, fraction=1.0, schedule="constant"), trial)
    carry_out(trial, next(requests))
    first = {name: mask.numpy() for name, mask in trial.mask.items()}
    assert next(requests, None) is None
    union = 0
    for mask in first.values():
        then = np.arange(mask.size).reshape(mask.shape) < mask.sum()
        union += int((mask | then).sum())
    assert 36 < union < 72
    assert [finding[2:] for finding in trial.findings] == [("explored", union / 72)]


def test_without_an_update_only_the_first_mask_was_explored(trial):
    """36 of 72."""
    assert list(trainings(Given(every=100), trial)) == []
    assert [finding[2:] for finding in trial.findings] == [("explored", 0.5)]
