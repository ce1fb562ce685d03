"""The dense gradients of several members at once, each on training examples of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.engine.bench import Bench
from ticketbench.engine.data import gather
from ticketbench.engine.network import Network
from ticketbench.engine.regimes import seen_by
from ticketbench.engine.state import State, index_of, member_rows
from ticketbench.engine.trial import MemberTrial
from ticketbench.plugin.mask_rule import Examples


def dense_gradient(
    bench: Bench, trials: Sequence[MemberTrial], examples: Examples, at: Mapping[str, Tensor] | None = None
) -> State:
    """∂L/∂θ of every trial, a row a trial, as `trial.gradient` gives it on these examples, and billed like it.

    At the stacked parameters that are given, else at the prunable weights as the forward sees them. All trials are
    under one regime.
    """
    members = [trial.seat for trial in trials]
    parameters = seen_by(bench.stack, members)
    leaves = dict(at) if at is not None else {name: parameters[name] for name in bench.stack.masks}
    index_m = index_of(members, len(bench.stack), bench.device)
    buffers = member_rows(bench.stack.buffers, index_m)
    size = min(examples.size or bench.stage.recipe.batch, len(bench.stage.data.train))
    batches = drawn_batches(bench, trials, examples.kind, size)
    step = members_at_once(bench, size)
    parts: list[State] = []
    for first in range(0, len(trials), step):
        now = slice(first, first + step)
        inputs, targets = batches if examples.kind == "slice" else gather(bench.stage.data.train, batches[0][now])
        part = [{name: tensor[now] for name, tensor in state.items()} for state in (leaves, parameters, buffers)]
        parts.append(gradient_of(bench.stage.network, trials[now], part, inputs, targets, examples.kind == "slice"))
    masks = member_rows(bench.stack.masks, index_m)
    for trial, flops in zip(trials, bench.stage.flops_of_members(masks, size), strict=True):
        trial.spent.flops += flops
    return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in leaves}


def members_at_once(bench: Bench, size: int) -> int:
    """How many members go through the network together: no more examples than in a training step.

    On a CPU each goes alone, which takes no longer there and gives the same bits in every fleet.
    """
    return 1 if bench.device.type == "cpu" else max(1, len(bench.stack) * bench.stage.recipe.batch // size)


def drawn_batches(bench: Bench, trials: Sequence[MemberTrial], kind: str, size: int) -> tuple[Tensor, ...]:
    """Inputs and targets of a slice, which all trials share; of batches, the numbers of each trial's examples."""
    train = bench.stage.data.train
    if kind == "batch":
        return (torch.stack([trial.drawn_examples(size) for trial in trials]).to(train.targets.device),)
    for trial in trials:
        trial.asked_for_examples()
    return train.inputs[:size].clone(), train.targets[:size].clone()


def gradient_of(
    network: Network,
    trials: Sequence[MemberTrial],
    states: Sequence[State],
    inputs: Tensor,
    targets: Tensor,
    shared: bool,
) -> State:
    """The gradients of some trials, all in one pass: at the first of the states, beside parameters and buffers.

    Shared inputs have no axis over the members. It is computed in full float32, as `trial.gradient` is.
    """
    leaves, parameters, buffers = states
    own = {name: leaf.detach().requires_grad_(True) for name, leaf in leaves.items()}
    every = {**parameters, **own}
    dtype = next(iter(parameters.values())).dtype
    statistics = {
        name: buffer.to(dtype) if buffer.is_floating_point() else buffer.clone() for name, buffer in buffers.items()
    }
    with network.mode(training=True):
        count = network.numbers(inputs if shared else inputs[0], {})
        drawn = [trial.drawn_forward(count) for trial in trials] if count else []
        chance = torch.stack(drawn).to(inputs.device) if drawn else None
        if len(trials) == 1:
            (weights, buffer) = ({name: part[0] for name, part in state.items()} for state in (every, statistics))
            batch, target = (inputs, targets) if shared else (inputs[0], targets[0])
            outputs = network.single(weights, buffer, batch, {}, None if chance is None else chance[0])
            losses = network.task.loss(outputs, target, batch)
        else:
            outputs = network.forward(every, statistics, inputs, {}, shared, chance)
            axis = None if shared else 0
            losses = vmap(network.task.loss, in_dims=(0, axis, axis))(outputs, targets, inputs).sum()
    found = torch.autograd.grad(losses, list(own.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(own, found, strict=True))
