"""A training as anyone would write it down: one network, one step after the other, torch's own optimizer.

What the engine does for many members at once, each on its own course, must be this for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.bench import Bench
from ticketbench.engine.judge import evaluate
from ticketbench.plugin.request import Train
from ticketbench.suite.recipe import Recipe

SLOTS = {"adam": ("exp_avg", "exp_avg_sq"), "momentum": ("momentum_buffer",), "sgd": ()}


def optimizer_of(bench: Bench, recipe: Recipe) -> torch.optim.Optimizer:
    """torch's optimizer over the weights of the only member, with the state that its stack remembers."""
    stack = bench.stack
    weights = list(stack.parameters.values())
    decay = 0.0 if recipe.decoupled else recipe.weight_decay
    kind: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": decay, "fused": True}
    if recipe.optimizer == "adam":
        made: torch.optim.Optimizer = torch.optim.Adam(weights, betas=recipe.betas, eps=recipe.epsilon, **kind)
    else:
        made = torch.optim.SGD(weights, momentum=recipe.momentum, nesterov=recipe.nesterov, **kind)
    for name, weight in stack.parameters.items():
        state = {
            slot: stack.slots.setdefault(slot, {}).setdefault(name, torch.zeros_like(weight).detach())
            for slot in SLOTS["momentum" if recipe.momentum else recipe.optimizer]
        }
        made.state[weight] = {**state, "step": torch.tensor(float(stack.updates[0]))}
    return made


def carry_on(bench: Bench, request: Train, look: Callable[[], None] = lambda: None) -> tuple[list[tuple], int]:
    """Train the only member as it asks; the points of its curves, and the step at which it diverged (0: it did not)."""
    stack, recipe, data = bench.stack, bench.recipes[0], bench.stage.data
    network, seed = bench.stage.network, bench.cells[0].seed
    examples, weights = len(data.train), list(stack.parameters.values())
    per_epoch, total = examples // recipe.batch, recipe.total_steps(examples)
    until = total if request.until is None else request.until
    optimizer = optimizer_of(bench, recipe)
    if request.average is not None and not stack.averages:
        stack.averages = {name: torch.zeros_like(stack.parameters[name]).detach() for name in stack.masks}
    elif request.average is None:
        for part in stack.averages.values():
            part.zero_()
    points: list[tuple] = []
    losses, noted = torch.zeros(1), stack.steps[0]
    dense = all(bool(mask.all()) for mask in stack.masks.values())
    for step in range(stack.steps[0], until):
        source = torch.Generator().manual_seed(seed_of_order(seed, step // per_epoch))
        order = torch.randperm(examples, generator=source)
        index = order[step % per_epoch * recipe.batch :][: recipe.batch]
        inputs, targets = data.train.inputs[index], data.train.targets[index]
        loss = network.losses(stack.parameters, stack.buffers, inputs[None], targets[None], {})
        gradients = [part.contiguous() for part in torch.autograd.grad(loss.sum(), weights)]
        with torch.no_grad():
            move(bench, recipe, optimizer, gradients, step, request.average, dense)
        losses += loss.detach()
        stack.steps[0] += 1
        stack.updates[0] += 1
        if stack.steps[0] % recipe.log_every == 0 or stack.steps[0] == until:
            mean = float(losses) / (stack.steps[0] - noted)
            if not torch.isfinite(losses).all():
                return points, stack.steps[0]
            points.append(("train", "loss", stack.steps[0], mean))
            losses, noted = torch.zeros(1), stack.steps[0]
        if recipe.validate_every and stack.steps[0] % (recipe.validate_every * per_epoch) == 0:
            (scores,) = evaluate(network, stack.parameters, stack.buffers, data.validation, recipe.judge_batch)
            points += [("validation", name, stack.steps[0], values[-1]) for name, values in scores.items()]
            if recipe.select == "best":
                stack.keep_best({0: scores["accuracy"][-1]}, True)
    return points, 0


def seed_of_order(seed: int, epoch: int) -> int:
    """What an epoch's order is drawn from."""
    from ticketbench.seeds import seed_of

    return seed_of(seed, "order", epoch)


def move(
    bench: Bench,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    gradients: list[Tensor],
    step: int,
    average: float | None,
    dense: bool,
) -> None:
    """Average, mask, clip, decay, and let the optimizer take its step."""
    stack = bench.stack
    found = dict(zip(stack.parameters, gradients, strict=True))
    for name, mask in stack.masks.items():
        if average is not None:
            stack.averages[name].lerp_(found[name], 1 - average)
        if not dense:
            found[name].mul_(mask.float())
    rate = recipe.learning_rate_at(step, len(bench.stage.data.train))
    if recipe.clip is not None:
        # several rows at a time: torch adds up one row alone in another order
        norms = [torch.linalg.vector_norm(part.reshape(1, -1).repeat(8, 1), dim=1) for part in found.values()]
        factor = (recipe.clip / (torch.linalg.vector_norm(torch.stack(norms), dim=0) + 1e-6)).clamp(max=1.0)
        for part in found.values():
            part.mul_(factor[0])
    for name, weight in stack.parameters.items():
        if recipe.decoupled:
            weight.mul_(1 - rate * recipe.weight_decay)
        weight.grad = found[name]
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
    for weight in stack.parameters.values():
        weight.grad = None
