"""Training masks: scores against a step-by-step reference in NumPy, exact counts, frozen weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stepping import BATCH, MEMBERS, CrossEntropy, batches, networks, stack_of

from ticketbench import Shapes, TicketError
from ticketbench.engine.course import Course
from ticketbench.engine.data import TaskData
from ticketbench.engine.network import Network
from ticketbench.engine.stack import Stack
from ticketbench.engine.supermask import MaskStepper, Supermasks, pool_of, pools_of, top
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Blobs
from ticketbench_models.mlp import MLP

Array = NDArray[np.float64]
NAMES = ("1.weight", "3.weight")  # 35 and 21 weights
DENSITIES = (0.5, 0.25, 0.9, 0.25)
SEEDS = (3, 1, 4, 15)
STEPS = 12
RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "momentum with L2": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.05},
    "momentum with decoupled decay": {
        "optimizer": "sgd",
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.05,
        "decoupled": True,
        "clip": 0.3,
    },
    "adam with L2": {"optimizer": "adam", "weight_decay": 0.05},
}
COUNTS = {  # by hand of 56: 28, 14, 50.4 and 14
    "layerwise": [(18, 10), (9, 5), (31, 19), (9, 5)],  # 17.5 and 10.5; 8.75 and 5.25; 31.25 and 18.75
    "uniform": [(18, 10), (9, 5), (35, 15), (9, 5)],
    "erk": [(15, 13), (8, 6), (29, 21), (8, 6)],  # in the ratio 12 : 10; the last layer has 21
}


def rate(step: int) -> float:
    """A learning rate that changes at every step, and is large enough to change the masks."""
    return 0.5 / (1 + step)


def recipe_of(name: str) -> Recipe:
    """A recipe by its name; `rate` gives the rates."""
    return Recipe.model_validate({"learning_rate": 1.0, "batch": BATCH, "steps": STEPS, **RECIPES[name]})


def network() -> Network:
    """5-7-3 with biases."""
    return Network(MLP(hidden=(7,)), MLP(hidden=(7,)).build(Shapes((5,), 3)), CrossEntropy())  # type: ignore[arg-type]


def begin(stack: Stack, recipe: Recipe, scope: str = "layerwise", masks: Supermasks | None = None) -> MaskStepper:
    """The stepper of all members."""
    made, _ = (masks or Supermasks(stack, SEEDS)).stepper(network(), recipe, range(MEMBERS), scope, DENSITIES)
    assert isinstance(made, MaskStepper)
    return made


def run(stepper: MaskStepper, first: int, last: int) -> torch.Tensor:
    """As the training loop would: the losses before each step."""
    stepper.refresh()
    losses = [stepper.step(*batches()[step], rate(step), {}) for step in range(first, last)]
    stepper.took(last - first)
    stepper.settle()
    return torch.stack(losses)


# -- the reference -----------------------------------------------------------------------------------------------


def best(scores: list[Array], counts: tuple[int, int] | int) -> list[NDArray[np.bool_]]:
    """The largest |s| of each layer, or of both together, the lower index first among equals."""
    if isinstance(counts, int):
        joined = best([np.concatenate([part.ravel() for part in scores])], (counts,))[0]  # type: ignore[arg-type]
        return [joined[: scores[0].size].reshape(scores[0].shape), joined[scores[0].size :].reshape(scores[1].shape)]
    masks = []
    for part, count in zip(scores, counts, strict=True):
        mask = np.zeros(part.size, dtype=bool)
        mask[np.argsort(-np.abs(part).ravel(), kind="stable")[:count]] = True
        masks.append(mask.reshape(part.shape))
    return masks


def backward(
    weights: list[Array], biases: list[Array], inputs: Array, targets: NDArray[np.int64]
) -> tuple[float, list[Array]]:
    """The mean cross-entropy and its gradient at both weights."""
    hidden = inputs @ weights[0].T + biases[0]
    logits = np.maximum(hidden, 0) @ weights[1].T + biases[1]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    loss = -float(np.log(shares[np.arange(len(targets)), targets]).mean())
    error = shares.copy()
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ weights[1]) * (hidden > 0)
    return loss, [back.T @ inputs, error.T @ np.maximum(hidden, 0)]


def reference(
    weights: list[Array],
    biases: list[Array],
    scores: list[Array],
    counts: tuple[int, int] | int,
    name: str,
    member: int,
) -> list[float]:
    """Edge-popup as written, `scores` changed in place; the losses before each step."""
    recipe = recipe_of(name)
    slots = [[np.zeros_like(part) for part in scores] for _ in range(2)]
    losses = []
    for step, (inputs, targets) in enumerate(batches()[:STEPS]):
        masks = best(scores, counts)
        kept = [weight * mask for weight, mask in zip(weights, masks, strict=True)]
        loss, slopes = backward(kept, biases, inputs[member].numpy(), targets[member].numpy())
        losses.append(loss)
        slopes = [slope * weight * np.sign(part) for slope, weight, part in zip(slopes, weights, scores, strict=True)]
        if recipe.clip is not None:
            norm = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
            slopes = [slope * min(1.0, recipe.clip / (norm + 1e-6)) for slope in slopes]
        for at, (part, slope) in enumerate(zip(scores, slopes, strict=True)):
            if recipe.decoupled:
                part *= 1 - rate(step) * recipe.weight_decay
            else:
                slope = slope + recipe.weight_decay * part
            if recipe.optimizer == "adam":
                slots[0][at] = 0.9 * slots[0][at] + 0.1 * slope
                slots[1][at] = 0.999 * slots[1][at] + 0.001 * slope**2
                first, second = slots[0][at] / (1 - 0.9 ** (step + 1)), slots[1][at] / (1 - 0.999 ** (step + 1))
                part -= rate(step) * first / (np.sqrt(second) + 1e-8)
            else:
                slots[0][at] = recipe.momentum * slots[0][at] + slope
                part -= rate(step) * (slope + recipe.momentum * slots[0][at] if recipe.nesterov else slots[0][at])
    return losses


@pytest.mark.parametrize("scope", ["layerwise", "global", "uniform", "erk"])
@pytest.mark.parametrize("name", RECIPES)
def test_scores_masks_and_losses_equal_a_step_by_step_reference(name: str, scope: str):
    """12 steps in two stretches, four members at three densities: to 1e-9, and the frozen weights bit for bit."""
    stack = stack_of(networks())
    masks = Supermasks(stack, SEEDS)
    weights = [[part.numpy().copy() for part in map(stack.weights(member).get, NAMES)] for member in range(MEMBERS)]
    biases = [[stack.weights(member)[f"{at}.bias"].numpy().copy() for at in (1, 3)] for member in range(MEMBERS)]
    stepper = begin(stack, recipe_of(name), scope, masks)
    scores = [[masks.scores.weights(member)[part].numpy().copy() for part in NAMES] for member in range(MEMBERS)]
    assert all(parts[0].any() and parts[1].any() for parts in scores)
    first = run(stepper, 0, 5)
    again = begin(stack, recipe_of(name), scope, masks)
    assert again is stepper
    losses = torch.cat([first, run(again, 5, STEPS)]).numpy()
    changed = 0
    for member in range(MEMBERS):
        counts = COUNTS[scope][member] if scope in COUNTS else (28, 14, 50, 14)[member]
        before = best(scores[member], counts)
        expected = reference(weights[member], biases[member], scores[member], counts, name, member)
        np.testing.assert_allclose(losses[:, member], expected, rtol=1e-9)
        for at, mask in enumerate(best(scores[member], counts)):
            found = masks.scores.weights(member)[NAMES[at]].numpy()
            np.testing.assert_allclose(found, scores[member][at], rtol=1e-9, atol=1e-12)
            assert np.array_equal(stack.mask(member)[NAMES[at]].numpy(), mask)
            assert np.array_equal(stack.weights(member)[NAMES[at]].numpy(), np.where(mask, weights[member][at], 0))
            assert np.array_equal(stack.weights(member)[f"{(1, 3)[at]}.bias"].numpy(), biases[member][at])
            changed += int((mask != before[at]).sum())
    assert changed > 3
    assert (stack.steps, stack.updates) == ([STEPS] * MEMBERS, [STEPS] * MEMBERS)
    stack.check()


@pytest.mark.parametrize("name", ["momentum with L2", "adam with L2"])
def test_a_part_of_the_fleet_is_trained_as_the_whole(name: str):
    """Members 1 and 3 as copies, in two stretches: the scores, masks and slots of the whole; the others do not move."""
    whole, parts = stack_of(networks()), stack_of(networks())
    both = Supermasks(whole, SEEDS), Supermasks(parts, SEEDS)
    run(begin(whole, recipe_of(name), masks=both[0]), 0, 4)
    run(begin(whole, recipe_of(name), masks=both[0]), 4, 10)
    untouched = parts.snapshot(0)
    for first, last in ((0, 4), (4, 10)):
        stepper, part = both[1].stepper(network(), recipe_of(name), [1, 3], "layerwise", DENSITIES[1::2])
        stepper.refresh()
        for step in range(first, last):
            inputs, targets = batches()[step]
            stepper.step(inputs[1::2], targets[1::2], rate(step), {})
        stepper.took(last - first)
        stepper.settle()
        parts.put([1, 3], part)
    for member in (1, 3):
        for scores, others in ((both[0].scores, both[1].scores), (whole, parts)):
            for weight, other in zip(scores.weights(member).values(), others.weights(member).values(), strict=True):
                torch.testing.assert_close(other, weight, rtol=1e-12, atol=1e-15)
        for slot, state in both[0].scores.slots.items():
            for weight, tensor in state.items():
                torch.testing.assert_close(
                    both[1].scores.slots[slot][weight][member], tensor[member], rtol=1e-9, atol=0
                )
        assert all(parts.mask(member)[weight].equal(mask) for weight, mask in whole.mask(member).items())
    assert all(parts.weights(0)[weight].equal(values) for weight, values in untouched.weights.items())
    assert (parts.steps, both[1].scores.updates) == ([0, 10, 0, 10], [-1, 10, -1, 10])


def test_equal_scores_are_kept_in_the_order_of_their_indices():
    """By hand: 2, 5 and 0 of seven with ties at the threshold, above it, and none."""
    sizes = torch.tensor([[1.0, 3, 2, 2, 2, 0, 1], [1, 1, 0, 2, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7]])
    pool = pool_of(("any",), [2, 5, 0], {"any": sizes})
    assert top(sizes, pool).int().tolist() == [[0, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]]


def test_all_scores_alike_keep_the_first_of_each_layer():
    """With every |s| at 0.1 the first 9 and the first 5 weights stay at a density of ¼."""
    stack = stack_of(networks())
    masks = Supermasks(stack, SEEDS)
    stepper = begin(stack, recipe_of("sgd"), masks=masks)
    for scores in masks.scores.parameters.values():
        scores.detach().fill_(-0.1)
    stepper.settle()
    for name, count in zip(NAMES, (9, 5), strict=True):
        kept = stack.mask(1)[name].flatten()
        assert kept.nonzero().flatten().tolist() == list(range(count))


def test_scores_are_drawn_between_the_bounds_of_the_kaiming_rule_from_the_cells_own_seed():
    """U(±1/√fan_in): of 35 draws in a layer of 5 inputs some pass 0.8 of the bound, none the bound; seeds decide."""
    stack = stack_of(networks())
    masks = Supermasks(stack, (3, 1, 3, 15))
    begin(stack, recipe_of("sgd"), masks=masks)
    for name, inputs in zip(NAMES, (5, 7), strict=True):
        scores = masks.scores.parameters[name].detach()
        assert 0.8 < float(scores.abs().max()) * math.sqrt(inputs) <= 1
        assert float(scores.min()) < 0 < float(scores.max())
        assert scores[0].equal(scores[2])
        assert not scores[0].equal(scores[1])


def test_only_weights_that_are_left_may_be_kept():
    """Member 0 has 17 weights of the first layer left: no other comes back, and their scores and slots stay zero."""
    stack = stack_of(networks())
    places = (torch.arange(35) % 2 == 1).view(7, 5)
    stack.set_mask(0, {"1.weight": places, "3.weight": torch.ones(3, 7, dtype=torch.bool)})
    masks = Supermasks(stack, SEEDS)
    stepper = begin(stack, recipe_of("momentum with L2"), masks=masks)
    run(stepper, 0, STEPS)
    kept = stack.mask(0)
    assert not bool((kept["1.weight"] & ~places).any())
    assert (int(kept["1.weight"].sum()), int(kept["3.weight"].sum())) == (17, 11)  # 18 and 10 did not fit
    outside = masks.scores.slots["momentum_buffer"]["1.weight"][0][~places]
    assert int(torch.count_nonzero(outside)) == 0
    assert [sum(int(mask.sum()) for mask in stack.mask(member).values()) for member in range(MEMBERS)] == [
        28,
        14,
        50,
        14,
    ]


def test_too_few_weights_left_are_named():
    """28 cannot be kept of 20."""
    left = {name: torch.zeros(1, 20, dtype=torch.bool).index_fill(1, torch.arange(10), True) for name in NAMES}
    with pytest.raises(TicketError, match="keep 28 weights: 20 are left"):
        pools_of(left, "global", [28])


def changed_weights(stack: Stack) -> None:
    """Another value for a kept weight."""
    kept = stack.mask(0)["1.weight"]
    stack.weights(0)["1.weight"].masked_fill_(kept, 2.0)


CHANGES = {
    "rewound": lambda stack: stack.rewind(0, stack.snapshot(0)),
    "restarted": lambda stack: stack.restart(0, 0),
    "weights changed": changed_weights,
    "weights dropped": lambda stack: stack.set_mask(
        0, {name: torch.ones_like(mask).triu() & mask for name, mask in stack.mask(0).items()}
    ),
    "weights grown": lambda stack: stack.set_mask(
        0, {name: torch.ones_like(mask) for name, mask in stack.mask(0).items()}
    ),
    "weights trained": lambda stack: stack.updates.__setitem__(0, stack.updates[0] + 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_scores_end_with_their_training(change: str):
    """Whatever else happens to the network: scores are drawn anew, slots are zero, and only what is left is ranked."""
    stack = stack_of(networks())
    masks = Supermasks(stack, SEEDS)
    stepper = begin(stack, recipe_of("momentum with L2"), masks=masks)
    drawn = {name: scores.clone() for name, scores in masks.scores.weights(0).items()}
    run(stepper, 0, STEPS)
    CHANGES[change](stack)
    assert (masks.goes_on(0), masks.goes_on(1)) == (False, True)
    left, present = stack.mask(0), stack.snapshot(0).weights
    masks.stepper(network(), recipe_of("momentum with L2"), [0], "layerwise", [0.1])
    for name, scores in masks.scores.weights(0).items():
        assert scores.equal(drawn[name].where(left[name], 0))
        assert masks.scores.masks[name][0].equal(left[name])
        assert masks.scores.buffers[name][0].equal(present[name])
        assert int(torch.count_nonzero(masks.scores.slots["momentum_buffer"][name][0])) == 0
        assert int(torch.count_nonzero(masks.scores.slots["momentum_buffer"][name][1])) > 0
    assert (stack.updates[0], masks.scores.updates[0]) == (0, 0)


def test_no_average_of_the_gradient_is_kept():
    """The gradient of scores is not that of weights, and is not passed off as it."""
    stepper, task = begin(stack_of(networks()), recipe_of("sgd")), TaskData(Blobs(), torch.device("cpu"))
    course = Course(recipe_of("sgd"), len(task.train), 0, STEPS, average=0.9)
    with pytest.raises(TicketError, match="drop `average`"):
        stepper.enter(task, [course] * MEMBERS)


def test_the_gradient_is_that_of_a_finite_difference_of_the_weights():
    """∂L/∂(w ⊙ h) by central differences at every place, kept or not, times w and the sign of s, is the step of s."""
    stack = stack_of(networks())
    masks = Supermasks(stack, SEEDS)
    stepper = begin(stack, recipe_of("sgd"), masks=masks)
    full, before = stack.snapshot(2), {name: part.clone() for name, part in masks.scores.weights(2).items()}
    stepper.settle()
    inputs, targets = batches()[0]
    present = {name: part.clone() for name, part in stack.weights(2).items()}

    def loss(weights: dict[str, torch.Tensor]) -> float:
        return CrossEntropy().loss(torch.func.functional_call(one, weights, (inputs[2],)), targets[2], inputs[2]).item()

    one, slopes = networks()[2], {}
    for name in NAMES:
        slopes[name] = torch.zeros_like(present[name])
        for at in range(present[name].numel()):
            sides = []
            for step in (1e-6, -1e-6):
                moved = present[name].clone()
                moved.view(-1)[at] += step
                sides.append(loss({**present, name: moved}))
            slopes[name].view(-1)[at] = (sides[0] - sides[1]) / 2e-6
    stepper.refresh()
    stepper.step(inputs, targets, 1.0, {})
    for name in NAMES:
        expected = before[name] - slopes[name] * full.weights[name] * before[name].sign()
        torch.testing.assert_close(masks.scores.weights(2)[name], expected, rtol=1e-6, atol=1e-8)


def test_a_weight_that_is_left_comes_before_any_that_is_not():
    """All scores zero: the first 9 of the places that are left, and not places of lower index that are pruned."""
    stack = stack_of(networks())
    places = (torch.arange(35) % 2 == 1).view(7, 5)
    stack.set_mask(1, {"1.weight": places, "3.weight": torch.ones(3, 7, dtype=torch.bool)})
    masks = Supermasks(stack, SEEDS)
    stepper = begin(stack, recipe_of("sgd"), masks=masks)
    for scores in masks.scores.parameters.values():
        scores.detach().zero_()
    stepper.settle()
    assert stack.mask(1)["1.weight"].flatten().nonzero().flatten().tolist() == list(range(1, 19, 2))


def test_the_whole_fleet_follows_other_densities_and_other_starts():
    """Counts anew where the densities change, and where a member began again with fewer weights left."""
    stack, recipe = stack_of(networks()), recipe_of("sgd")
    masks = Supermasks(stack, SEEDS)
    begin(stack, recipe, masks=masks).settle()
    stepper, _ = masks.stepper(network(), recipe, range(MEMBERS), "layerwise", (0.1, 0.25, 0.9, 0.25))
    stepper.settle()
    assert [int(mask.sum()) for mask in stack.mask(0).values()] == [4, 2]
    first = torch.zeros(7, 5, dtype=torch.bool)
    first[0, :2] = True
    stack.set_mask(3, {"1.weight": first, "3.weight": torch.ones(3, 7, dtype=torch.bool)})
    alone, part = masks.stepper(network(), recipe, [3], "layerwise", [0.25])
    alone.settle()
    stack.put([3], part)
    assert [int(mask.sum()) for mask in stack.mask(3).values()] == [2, 12]
    masks.stepper(network(), recipe, range(MEMBERS), "layerwise", (0.1, 0.25, 0.9, 0.25))[0].settle()
    assert [int(mask.sum()) for mask in stack.mask(3).values()] == [2, 12]
