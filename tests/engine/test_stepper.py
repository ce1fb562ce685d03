"""A stack of members equals torch's own optimizers on single networks, and nothing leaks through a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stepping import BATCH, MEMBERS, STEPS, CrossEntropy, batches, networks, stack_of
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Shapes
from ticketbench.engine.network import Network
from ticketbench.engine.stack import Stack
from ticketbench.engine.stepper import Stepper
from ticketbench.suite.recipe import Recipe
from ticketbench_models.mlp import MLP

RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "sgd with L2": {"optimizer": "sgd", "weight_decay": 0.05},
    "sgd with decoupled decay": {"optimizer": "sgd", "weight_decay": 0.05, "decoupled": True, "momentum": 0.8},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "nesterov with L2": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"optimizer": "adam"},
    "adam of other betas": {"optimizer": "adam", "betas": [0.8, 0.95], "epsilon": 1e-4},
    "adam with L2": {"optimizer": "adam", "weight_decay": 0.05},
    "adam with decoupled decay": {"optimizer": "adam", "weight_decay": 0.05, "decoupled": True},
    "clipped": {"optimizer": "sgd", "momentum": 0.9, "clip": 0.5},
    "factors": {"optimizer": "sgd", "learning_rate_factors": {"3.*": 0.1, "*.bias": 3.0}},
    "adam with everything": {
        "optimizer": "adam",
        "weight_decay": 0.05,
        "decoupled": True,
        "clip": 0.3,
        "learning_rate_factors": {"1.*": 0.2},
    },
}


def recipe_of(name: str) -> Recipe:
    """A recipe by its name; the rates of the steps are given by `rate`."""
    return Recipe.model_validate({"learning_rate": 1.0, "batch": BATCH, "steps": STEPS, **RECIPES[name]})


def rate(step: int) -> float:
    """A learning rate that changes at every step."""
    return 0.05 / (1 + step)


def masks() -> list[dict[str, Tensor]]:
    """A mask a member; the first member stays dense."""
    source = torch.Generator().manual_seed(3)
    shapes = {"1.weight": (7, 5), "3.weight": (3, 7)}
    drawn = [
        {name: torch.rand(shape, generator=source) < 0.5 for name, shape in shapes.items()} for _ in range(MEMBERS)
    ]
    drawn[0] = {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
    return drawn


def stepper_of(stack: Stack, recipe: Recipe, on_device: bool = False) -> Stepper:
    """A stepper of the model over a stack."""
    network = Network(MLP(hidden=(7,)), MLP(hidden=(7,)).build(Shapes((5,), 3)), CrossEntropy())  # type: ignore[arg-type]
    return Stepper(network, stack, recipe, on_device=on_device)


def reference(one: nn.Sequential, recipe: Recipe, mask: dict[str, Tensor] | None, member: int) -> list[float]:
    """The textbook loop: zero_grad, backward, mask, clip, step; the losses before each step."""
    groups = [{"params": [part], "factor": recipe.factor(name), "lr": rate(0)} for name, part in one.named_parameters()]
    decay, shrink = recipe.weight_decay, 0.0
    if recipe.optimizer == "adam":
        kind = torch.optim.AdamW if recipe.decoupled else torch.optim.Adam
        optimizer = kind(groups, betas=recipe.betas, eps=recipe.epsilon, weight_decay=decay, foreach=False)
    else:
        decay, shrink = (0.0, decay) if recipe.decoupled else (decay, 0.0)
        optimizer = torch.optim.SGD(
            groups, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay, foreach=False
        )
    parameters = dict(one.named_parameters())
    losses = []
    with torch.no_grad():
        for name, kept in (mask or {}).items():
            parameters[name].mul_(kept)
    for step, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        loss = functional.cross_entropy(one(inputs[member]), targets[member])
        loss.backward()
        for name, kept in (mask or {}).items():
            parameters[name].grad.mul_(kept)
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), recipe.clip)
        for group in optimizer.param_groups:
            group["lr"] = rate(step) * group["factor"]
            with torch.no_grad():
                group["params"][0].mul_(1 - group["lr"] * shrink)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_a_stack_equals_single_networks_under_torchs_optimizers(name: str, masked: bool):
    """30 steps in float64: every loss and every weight of every member agrees to 1e-9."""
    recipe, singles = recipe_of(name), networks()
    stack = stack_of(singles)
    for member, mask in enumerate(masks() if masked else []):
        stack.set_mask(member, mask)
    stepper = stepper_of(stack, recipe)
    found = torch.stack([stepper.step(*batch, rate(step), {}) for step, batch in enumerate(batches())])
    stepper.took(STEPS)
    for member, one in enumerate(singles):
        mask = masks()[member] if masked else None
        losses = torch.tensor(reference(one, recipe, mask, member), dtype=torch.float64)
        torch.testing.assert_close(found[:, member], losses, rtol=1e-9, atol=1e-12)
        for name_of_part, part in one.named_parameters():
            mine = stack.weights(member)[name_of_part]
            torch.testing.assert_close(mine, part.detach(), rtol=1e-9, atol=1e-12)
    assert (stack.steps, stack.updates) == ([STEPS] * MEMBERS, [STEPS] * MEMBERS)


@pytest.mark.parametrize("name", RECIPES)
def test_the_arithmetic_of_a_device_equals_torchs_optimizers(name: str):
    """The same 30 steps at rates that are read from tensors, in float32 there: every loss and weight to 1e-5."""
    recipe, singles = recipe_of(name), networks()
    stack = stack_of(singles)
    for member, mask in enumerate(masks()):
        stack.set_mask(member, mask)
    stepper, found = stepper_of(stack, recipe, on_device=True), []
    for step, batch in enumerate(batches()):
        found.append(stepper.step(*batch, rate(step), {}))
        stepper.took(1)
    for member, one in enumerate(singles):
        losses = torch.tensor(reference(one, recipe, masks()[member], member), dtype=torch.float64)
        torch.testing.assert_close(torch.stack(found)[:, member], losses, rtol=1e-5, atol=1e-6)
        for name_of_part, part in one.named_parameters():
            torch.testing.assert_close(stack.weights(member)[name_of_part], part.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_masked_weights_and_slots_stay_exactly_zero(name: str):
    """After 15 dense steps, pruning, and 15 more: no masked weight and no masked slot has moved by a bit."""
    stack = stack_of(networks())
    stepper = stepper_of(stack, recipe_of(name))
    for step, batch in enumerate(batches()):
        if step == 15:
            assert all(int(torch.count_nonzero(part)) for slot in stack.slots.values() for part in slot.values())
            for member, mask in enumerate(masks()):
                stack.set_mask(member, mask)
            stepper.refresh()
        stepper.step(*batch, rate(step), {})
    slots = {"sgd": ["momentum_buffer"] if recipe_of(name).momentum else [], "adam": ["exp_avg", "exp_avg_sq"]}
    assert list(stack.slots) == slots[recipe_of(name).optimizer]
    for weight in stack.masks:
        outside = ~torch.stack([mask[weight] for mask in masks()])
        assert int(outside.sum()) > 0
        for tensor in [stack.parameters[weight], *(slot[weight] for slot in stack.slots.values())]:
            assert int(torch.count_nonzero(tensor.detach()[outside])) == 0
            assert int(torch.count_nonzero(tensor.detach()[~outside])) > 0


@pytest.mark.parametrize("name", ["momentum", "adam with L2"])
def test_a_rewound_member_trains_as_it_did_the_first_time(name: str):
    """Its optimizer is fresh: the second ten steps give the losses of the first ten, and slots and all."""
    stack = stack_of(networks())
    stepper = stepper_of(stack, recipe_of(name))
    starts = [stack.snapshot(member) for member in range(MEMBERS)]
    curves = []
    for _ in range(2):
        curves.append(torch.stack([stepper.step(*batch, 0.05, {}) for batch in batches()[:10]]))
        stepper.took(10)
        for member, start in enumerate(starts):
            stack.rewind(member, start)
        stepper.refresh()
    assert curves[0].equal(curves[1])


def test_clipping_is_a_members_own():
    """Gradients of norms 5 and 13 are clipped at 10: the first stays, the second is scaled by 10 / 13."""
    from ticketbench.engine.by_class import clip_by_member

    gradients = [
        torch.tensor([[3.0, 0.0], [5.0, 0.0]], dtype=torch.float64),
        torch.tensor([[[4.0]], [[12.0]]], dtype=torch.float64),
    ]
    clip_by_member(gradients, 10.0)
    torch.testing.assert_close(gradients[0].tolist(), [[3.0, 0.0], [50 / 13, 0.0]], rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients[1].tolist(), [[[4.0]], [[120 / 13]]], rtol=1e-6, atol=0)
