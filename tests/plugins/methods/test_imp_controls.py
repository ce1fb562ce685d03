"""The controls of iterative magnitude pruning: other tickets in the place of the found ones, on the same search."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from rewinding import copied, kept, pretend
from trainings import trainings

from ticketbench import Trial
from ticketbench.testing import reported_by
from ticketbench_methods.imp import Imp


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Callable[[], Trial]:
    """Trials of one cell, each from the start: 718 weights, Glorot, density a quarter."""
    path = tiny_suite(
        ("hidden = [8]", "hidden = [20, 26]"), ('["dense", "magnitude"]', '["imp"]'), ('["default"]', '["glorot"]')
    )
    _, cells = cells_of(path)

    def make() -> Trial:
        made = trial_of(cells[0])
        made.density = 0.25
        return made

    return make


def states(trial: Trial, method: Imp) -> list[tuple[dict, dict, int]]:
    """(mask, weights, step) whenever the method asks for training, and when it has ended.

    The found ticket's trainings move weights in the same way whatever is trained between them.
    """
    seen, level = [], 0
    for request in trainings(method, trial):
        seen.append((trial.mask, copied(trial), trial.step))
        control = method.ticket != "found" and len(seen) > 1 and len(seen) % 2 == 0
        pretend(trial, request, 1000 if control else level)
        level += not control
    return [*seen, (trial.mask, copied(trial), trial.step)]


def same(one: dict, other: dict) -> bool:
    """Whether all tensors are equal, bit for bit."""
    return all(torch.equal(part, other[name]) for name, part in one.items())


@pytest.mark.parametrize("rewind", ["start", "none"])
def test_the_search_is_the_same_with_a_control_beside_it(trial, rewind: str):
    """Halving twice: the found tickets come back exactly after the control's training."""
    found = states(trial(), Imp(fraction=0.5, rewind=rewind))
    beside = states(trial(), Imp(fraction=0.5, rewind=rewind, ticket="reinitialized"))
    assert [len(found), len(beside)] == [3, 4]  # dense, half, end; dense, control, half, end
    for mine, theirs in zip(found[:2], [beside[0], beside[2]], strict=True):
        assert same(mine[0], theirs[0])
        assert same(mine[1], theirs[1])
        assert mine[2] == theirs[2] == 0
    assert same(found[2][0], beside[3][0])


def test_reinitialized_keeps_the_mask_and_nothing_else(trial):
    """New weights under the same mask, others at every level; biases are Glorot's zeros again; step 0."""
    start = copied(trial())
    seen = states(trial(), Imp(fraction=0.5, ticket="reinitialized"))
    control, found, last = seen[1], seen[2], seen[3]
    assert same(control[0], found[0])
    for _, weights, step in (control, last):
        assert step == 0
        for name, mask in control[0].items():
            assert not torch.equal(weights[name], start[name].where(mask, 0))
        assert all(float(weights[name].abs().sum()) == 0 for name in ("1.bias", "3.bias", "5.bias"))
    assert not torch.equal(last[1]["1.weight"], control[1]["1.weight"].where(last[0]["1.weight"], 0))
    assert all(bool((control[1][name][~mask] == 0).all()) for name, mask in control[0].items())


def test_reinitialized_weights_come_from_the_cells_initializer(trial):
    """Glorot's bound for 20 inputs and 26 outputs is √(6/46); the draw fills it."""
    weights = states(trial(), Imp(fraction=0.5, ticket="reinitialized"))[1][1]["3.weight"]
    assert float(weights.abs().max()) <= (6 / 46) ** 0.5
    assert float(weights.abs().max()) > 0.9 * (6 / 46) ** 0.5


def test_reshuffled_keeps_each_layers_count_and_the_first_weights(trial):
    """Other places, as many in every layer, with the initial weights there, bit for bit."""
    start = copied(trial())
    seen = states(trial(), Imp(fraction=0.5, ticket="reshuffled"))
    control, found, last = seen[1], seen[2], seen[3]
    for name, mask in control[0].items():
        assert int(mask.sum()) == int(found[0][name].sum())
    assert not same(control[0], found[0])
    for mask, weights, step in (control, last):
        assert step == 0
        assert all(
            torch.equal(weights[name], start[name].where(mask[name], 0) if name in mask else start[name])
            for name in weights
        )
    assert sum(int(part.sum()) for part in last[0].values()) == 180


def test_a_control_is_reported_in_place_of_the_found_ticket(trial):
    """Dense and the control at a half; the last level is the engine's to judge."""
    made = trial()
    states(made, Imp(fraction=0.5, ticket="reshuffled"))
    assert [report.density for report in reported_by(made)] == [1.0, 359 / 718]
    assert kept(made) == 180
    assert [Imp(fraction=0.5, ticket="reshuffled").trainings(density) for density in (1.0, 0.5, 0.3)] == [1, 2, 4]


def test_stability_is_the_distance_to_the_dense_end_under_the_mask(trial):
    """0 for the dense network; at a half against a sum by hand."""
    made, ends = trial(), []
    for number, request in enumerate(trainings(Imp(fraction=0.5), made)):
        pretend(made, request, number)
        ends.append((made.mask, copied(made)))
    mask, trained = ends[1]
    by_hand = sum(float(((trained[name].double() - ends[0][1][name].double())[mask[name]] ** 2).sum()) for name in mask)
    assert [finding[:3] for finding in made.findings] == [
        ("imp", "round 0", "stability"),
        ("imp", "round 1", "stability"),
    ]
    assert [finding[3] for finding in made.findings] == pytest.approx([0.0, by_hand**0.5], rel=1e-6)
