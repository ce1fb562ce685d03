"""Does a stack of a model's networks compute what its members do?"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ticketbench.errors import OptionError
from ticketbench.plugin.chance import answering, numbers_of, step_numbers
from ticketbench.plugin.contracts import Model, Shapes, Split
from ticketbench.testing.blobs import Anything
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import in_one_line
from ticketbench.testing.fleet import Pass, stacked_pass
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.watched import same

MEMBERS = 2


def built(model: Model, shapes: Shapes, seed: int = 0) -> nn.Module:
    """A network as a seed draws it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model.build(shapes)


def check_stacking(model: Model, task: Anything, batch: int) -> None:
    """Outputs, gradients and statistics of a stack are those of its members, in float64 where the model allows it.

    What the forward draws at random in training mode is given: every member has numbers of its own, the same alone.
    """
    modules = [built(model, task.shapes(), seed) for seed in range(MEMBERS)]
    splits = [task.draw(f"stack {member}", batch) for member in range(MEMBERS)]
    call = model.training_call(random.Random(0))
    for training in (False, True):
        chance = chances(model, modules[0], splits[0].inputs, call) if training else None
        if training and chance is None and is_random(modules[0], splits[0].inputs, call):
            continue  # what it draws is nobody's to give: training it twice shows that
        try:
            doubled = [copy.deepcopy(module).double() for module in modules]
            precise = [Split(in_double(split.inputs), split.targets) for split in splits]
            stacked = stacked_of(model, doubled, task, precise, call, training, chance)
            singles = [
                single(model, network, task, split, call, training, None if chance is None else chance[member])
                for member, (network, split) in enumerate(zip(doubled, precise, strict=True))
            ]
        except Exception:  # some part of it is float32 alone
            stacked = stacked_or_fault(model, modules, task, splits, call, training, chance)
            singles = [
                single(model, network, task, split, call, training, None if chance is None else chance[member])
                for member, (network, split) in enumerate(zip(modules, splits, strict=True))
            ]
        for member, alone in enumerate(singles):
            compare(model, training, stacked, alone, member)


def in_double(inputs: Tensor) -> Tensor:
    """Numbers as float64, tokens as they are."""
    return inputs.double() if inputs.is_floating_point() else inputs


def stacked_of(
    model: Model,
    modules: Sequence[nn.Module],
    task: Anything,
    splits: Sequence[Split],
    call: Mapping[str, Any],
    training: bool,
    chance: Tensor | None = None,
) -> Pass:
    """What the modules give as one stack."""
    inputs, targets = (torch.stack([getattr(split, part) for split in splits]) for part in ("inputs", "targets"))
    return stacked_pass(model, modules, task, inputs, targets, call, training, chance)


def stacked_or_fault(
    model: Model,
    modules: Sequence[nn.Module],
    task: Anything,
    splits: Sequence[Split],
    call: Mapping[str, Any],
    training: bool,
    chance: Tensor | None = None,
) -> Pass:
    """The same; where it fails, an `AssertionError` with what would work."""
    try:
        return stacked_of(model, modules, task, splits, call, training, chance)
    except Exception as error:
        own = model.stacked(modules[0]) is not None
        what = "its own stacked() form fails" if own else "it cannot be stacked by torch.func.vmap"
        remedy = "Mend it" if own else "Do without what the message names, or set `stackable = False`"
        mode = "training" if training else "evaluation"
        raise AssertionError(f"model '{model.name}': {what} in {mode} mode: {in_one_line(error)}. {remedy}.") from error


def chances(model: Model, module: nn.Module, inputs: Tensor, call: Mapping[str, Any]) -> Tensor | None:
    """What every member draws at random in training mode; None where the forward draws nothing."""
    try:
        count = numbers_of(module, inputs, call)
    except OptionError as error:
        raise AssertionError(f"model '{model.name}': {error}") from None
    return step_numbers(count, range(MEMBERS), [0] * MEMBERS, inputs.device) if count else None


def single(
    model: Model,
    module: nn.Module,
    task: Anything,
    split: Split,
    call: Mapping[str, Any],
    training: bool,
    chance: Tensor | None = None,
) -> Pass:
    """What one network gives alone: outputs, the loss and its gradients, and buffers afterwards."""
    network = copy.deepcopy(module).train(training)
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    with nullcontext() if chance is None else answering(chance):
        outputs = network(split.inputs, **call)
    loss = model.loss(outputs, split.targets, split.inputs, task.loss)
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
    kept = [part.detach() for part in tree_leaves(outputs)]
    return Pass(kept, loss.detach(), dict(zip(weights, found, strict=True)), dict(network.named_buffers()))


def compare(model: Model, training: bool, stacked: Pass, alone: Pass, member: int) -> None:
    """A member's row of a stack with what it computes alone."""
    pairs = [("outputs", whole, part) for whole, part in zip(stacked.outputs, alone.outputs, strict=True)]
    pairs += [(f"gradients of '{name}'", stacked.gradients[name], part) for name, part in alone.gradients.items()]
    pairs += [(f"statistics '{name}'", stacked.buffers[name], part) for name, part in alone.buffers.items()]
    pairs.append(("losses", stacked.losses, alone.losses))
    for what, whole, part in pairs:
        demand(
            close(whole[member], part),
            f"model '{model.name}' computes something else when it is stacked: other {what} in "
            f"{'training' if training else 'evaluation'} mode",
        )


def is_random(module: nn.Module, inputs: Tensor, call: Mapping[str, Any]) -> bool:
    """Whether a forward in training mode draws random numbers."""
    with torch.no_grad():
        passes = []
        for seed in (1, 2):
            with random_numbers_from(seed):
                passes.append(tree_leaves(copy.deepcopy(module).train()(inputs, **call)))
    return any(not same(first, second) for first, second in zip(*passes, strict=True))


def close(one: Tensor, other: Tensor) -> bool:
    """The same shape, and equal to rounding: to 1e-3 of the largest number, or 1e-5."""
    if one.shape != other.shape:
        return False
    if not one.numel():
        return True
    first, second = one.detach().double(), other.detach().double()
    return bool(torch.allclose(first, second, rtol=1e-4, atol=1e-5)) or bool(
        (first - second).abs().max() <= 1e-3 * second.abs().max()
    )
