"""Prune, restart: one mask, trained from its first weights and from new ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from stepwise import EXAMPLES, NAMES, gradient

from ticketbench import OptionError, Trial
from ticketbench.testing import Outcome, check_method, run_cells
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.restart import Restart
from ticketbench_scorers.magnitude import Magnitude

State = dict[str, torch.Tensor]
PLAIN = ('optimizer = "adam"\nlearning_rate = 1e-2', 'optimizer = "sgd"\nlearning_rate = 0.1\nmomentum = 0.9')
WHOLE = (
    ('"blobs"', f'{{ name = "blobs", examples = {EXAMPLES} }}'),
    ("batch = 20\nsteps = 20", "batch = 24\nsteps = 20"),
    ("hidden = [8]", "hidden = [8], bias = false"),
    PLAIN,
)
"""A 6-8-3 network without biases, and all examples at every step, so that their order cannot matter."""


@pytest.fixture
def lived(plugins, tiny_suite, cells_of) -> Callable[..., Outcome]:
    """A cell's life with a method of these options, led to its end by the engine."""

    def live(*changes: tuple[str, str], method: str = "restart", **options) -> Outcome:
        words = "".join(
            f", {name} = {str(value).lower() if value is True else repr(value)}"
            for name, value in ({"every": 3} | options).items()
        )
        path = tiny_suite(
            ('{ method = "dense" }', f'{{ method = {{ name = "{method}"{words} }} }}'),
            ('["dense", "magnitude"]', '["dense"]'),
            ("seeds = [0, 1]", "seeds = [0]"),
            *changes,
        )
        _, cells = cells_of(path)
        (member,) = run_cells(cells, plugins)
        assert member.status == "ok", member.error
        return member

    return live


def under(weights: State, mask: State) -> State:
    """Weights under a mask."""
    return {name: part.where(mask[name], 0) if name in mask else part for name, part in weights.items()}


def same(one: State, other: State) -> bool:
    """Whether all tensors are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(part, other[name]) for name, part in one.items())


def initial(member: Outcome, trial_of: Callable[..., Trial]) -> State:
    """The cell's weights before anything has happened."""
    return dict(trial_of(member.cell).parameters)


def test_the_mask_and_the_solution_are_those_of_gradual_pruning(lived):
    """The same cell pruned gradually and nothing else: its end is "prune end", its mask that of every network."""
    for options in ({"scope": "global"}, {"begin": 0.1, "end": 0.9}, {"every": 4}):
        pruned, restarted = lived(method="gradual", **options), lived(companions=1, **options)
        trial = restarted.trial
        assert same(trial.companions["prune end"].weights, pruned.trial.parameters)
        for mask in (trial.mask, *(companion.mask for companion in trial.companions.values())):
            assert same(mask, pruned.trial.mask)


def test_a_lottery_ticket_starts_from_the_initial_weights_under_the_mask(lived, trial_of):
    """Bit for bit, biases too, with the schedule from its beginning; so do its companions and "prune start"."""
    member = lived(companions=2)
    trial = member.trial
    first = under(initial(member, trial_of), trial.mask)
    assert same(first, trial.origin)
    assert same(first, member.ticket.weights)
    for name in ("prune start", "lottery 1 start", "lottery 2 start"):
        assert same(first, trial.companions[name].weights)
    assert sum(int(mask.sum()) for mask in trial.mask.values()) == 36
    assert not same(first, trial.companions["prune end"].weights)


def test_networks_are_kept_in_order_and_by_these_names(lived):
    """Two of a kind; the judged network is not among them."""
    assert list(lived(companions=2).trial.companions) == [
        "prune end",
        "prune start",
        "lottery 1 start",
        "lottery 1 end",
        "scratch 1 start",
        "scratch 1 end",
        "lottery 2 start",
        "lottery 2 end",
        "scratch 2 start",
        "scratch 2 end",
    ]
    assert list(lived().trial.companions) == ["prune end", "prune start"]


@pytest.mark.parametrize("initializer", ["he", "sparse"])
def test_scratch_networks_start_from_weights_of_their_own(lived, trial_of, initializer: str):
    """Under the mask, at every kept place other than the initial ones and than each other's; so does the judged one."""
    member = lived(('"default"', f'"{initializer}"'), companions=2, weights="fresh")
    trial = member.trial
    starts = [trial.companions[f"scratch {number} start"].weights for number in (1, 2)]
    starts += [trial.origin, trial.companions["prune start"].weights]
    for name, mask in trial.mask.items():
        for start in starts:
            assert not start[name][~mask].any()
        kept = torch.stack([start[name][mask] for start in starts])
        assert all(len(place.unique()) == 4 for place in kept.T)
    assert same(trial.origin, under(trial.origin, trial.mask))
    assert same(trial.companions["lottery 1 start"].weights, under(initial(member, trial_of), trial.mask))


def test_a_sparse_initializer_acts_on_scratch_networks_and_not_on_lottery_tickets(lived, trial_of):
    """Gain 1, uniform, 400 units: the bound of a neuron with k of 6 inputs left is √(3/k), else √(3/6) for all."""
    sparse = ('"default"', '{ name = "sparse", distribution = "uniform", gain = 1.0 }')
    member = lived(sparse, ("hidden = [8]", "hidden = [400]"), companions=1, weights="fresh")
    trial, mask = member.trial, member.trial.mask["1.weight"]
    left = mask.sum(1)
    networks = {name: companion.weights for name, companion in trial.companions.items()} | {"judged": trial.origin}
    for name in ("prune start", "lottery 1 start", "scratch 1 start", "judged"):
        weight = networks[name]["1.weight"]
        for count in range(1, 6):
            inputs = 6 if name in ("prune start", "lottery 1 start") else count
            largest, bound = float(weight[left == count].abs().max()), (3 / inputs) ** 0.5
            assert largest <= bound * (1 + 1e-6), (name, count)
            if int((left == count).sum()) > 20:
                assert largest > 0.85 * bound, (name, count)
    assert same(networks["lottery 1 start"], under(initial(member, trial_of), trial.mask))


def test_companions_are_trained_on_orders_of_their_own(lived):
    """One start, three ends where a step sees a sixth of the examples, one end where it sees them all."""
    parts, whole = lived(PLAIN, companions=2).trial, lived(*WHOLE, companions=2).trial
    for trial, differ in ((parts, True), (whole, False)):
        ends = [trial.companions[f"lottery {number} end"].weights for number in (1, 2)] + [trial.parameters]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            apart = max(float((ends[one][name] - ends[other][name]).abs().max()) for name in trial.mask)
            assert (apart > 1e-3) if differ else (apart < 1e-4)


@pytest.mark.parametrize("weights", ["start", "fresh"])
def test_the_order_of_the_judged_network_is_that_of_the_pruning_solution(lived, weights: str):
    """Companions or not, the first 20 steps of the last training follow order 0: a replay ends at the same weights."""
    member = lived(PLAIN, companions=1, weights=weights)
    trial = member.trial
    replay = lived(PLAIN, companions=0, weights=weights).trial
    if weights == "start":
        assert same(trial.parameters, replay.parameters)
    else:  # the replay's first new weights are the companion's, which another order has moved elsewhere
        assert same(trial.companions["scratch 1 start"].weights, replay.origin)
        assert not same(trial.companions["scratch 1 end"].weights, replay.parameters)


def test_training_again_equals_a_step_by_step_reference(lived):
    """20 steps of masked momentum from the kept starts, in NumPy: lottery, scratch and the judged network."""
    trial = lived(*WHOLE, companions=1, weights="fresh").trial
    (data,) = trial.batches(0, EXAMPLES)
    inputs, targets = data.inputs.double().numpy(), data.targets.numpy()
    masks = [trial.mask[name].numpy() for name in NAMES]
    pairs = [
        (trial.companions[f"{kind} 1 start"].weights, trial.companions[f"{kind} 1 end"].weights)
        for kind in ("lottery", "scratch")
    ]
    for start, end in [*pairs, (trial.origin, trial.parameters)]:
        weights = [start[name].double().numpy() for name in NAMES]
        momenta = [np.zeros_like(weight) for weight in weights]
        for _ in range(20):
            for at, slope in enumerate(gradient(weights, inputs, targets)):
                momenta[at] = 0.9 * momenta[at] + slope * masks[at]
                weights[at] = weights[at] - 0.1 * momenta[at]
        for name, weight in zip(NAMES, weights, strict=True):
            np.testing.assert_allclose(end[name].numpy(), weight, atol=2e-5)


def test_late_rewinding_starts_from_the_weights_after_some_steps(lived, trial_of):
    """The dense network after 4 of 20 steps; a cell that is trained for 4 steps and no more has these weights."""
    four = ("steps = 20", "steps = 4")
    dense = lived(PLAIN, four, ("densities = [0.5]", "densities = [1.0]"), method="gradual", every=1).trial
    member = lived(PLAIN, companions=1, rewind_step=4, begin=0.4)
    trial = member.trial
    late = under(dense.parameters, trial.mask)
    for weights in (trial.origin, member.ticket.weights, trial.companions["lottery 1 start"].weights):
        assert same(weights, late)
    assert same(trial.companions["prune start"].weights, under(initial(member, trial_of), trial.mask))
    # 20 of the pruning solution, 16 of each ticket, 20 of the scratch network
    assert member.steps == 20 + 16 + 20 + 16


def test_the_pruning_solution_is_as_if_nothing_were_rewound_to(lived):
    """Stopping at a step to remember it changes nothing."""
    plain, late = lived(begin=0.4).trial, lived(begin=0.4, rewind_step=4).trial
    assert same(plain.companions["prune end"].weights, late.companions["prune end"].weights)


def test_a_step_after_the_first_update_is_refused():
    """Updates from step 5 + 3 = 8 of 20 on: step 9 has no dense weights any more, step 8 has."""
    trial = type("At", (), {"density": 0.5, "total_steps": 20})()
    Restart(every=3, rewind_step=8).check_rewinding(trial)
    with pytest.raises(OptionError, match=r"rewind_step = 9 comes after the first update of the mask, at step 8 of 20"):
        Restart(every=3, rewind_step=9).check_rewinding(trial)


def test_every_option_of_gradual_pruning_is_an_option():
    """The same names and defaults."""
    for name in Gradual.__dataclass_fields__:
        assert getattr(Restart(), name) == getattr(Gradual(), name)


def test_trainings_are_counted(lived):
    """The pruning solution, two a pair of companions, the judged network: what the engine has really trained."""
    for companions in (0, 2):
        member = lived(companions=companions)
        assert Restart(companions=companions).trainings(0.5) == member.steps / 20 == 2 + 2 * companions
        assert member.trial.trainings == 2 + 2 * companions


def test_two_networks_are_judged(tiny_suite, records_of):
    """The pruning solution and the last one, both at 36 of 72 weights, whatever is kept beside them."""
    path = tiny_suite(
        ('{ method = "dense" }', '{ method = { name = "restart", every = 3, companions = 1 } }'),
        ('["dense", "magnitude"]', '["dense"]'),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 36, 80)
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [0.5, 0.5]


@pytest.mark.parametrize("options", [{}, {"weights": "fresh", "companions": 1}, {"rewind_step": 5, "companions": 1}])
def test_the_contract(options: dict):
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Restart(every=4, **options), Magnitude())
