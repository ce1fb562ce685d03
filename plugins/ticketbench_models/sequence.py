"""A recurrent layer over a whole sequence with a backward pass written by hand, for many members.

Autograd takes a step's weight gradient at each step and adds it up; here one product at the end has all steps. On a CPU
member after member, so that a member's weights stay in the caches; elsewhere all members in batched products. No value
is read on the host, and nothing but the shapes decides what is computed, so that a pass can be captured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ticketbench_models.cells import Cell
from ticketbench_models.pointwise import pointwise_for
from ticketbench_models.products import Products
from ticketbench_models.sequence_buffers import Buffers, Form, Index, Lender
from ticketbench_models.written_steps import Tools, Weights, WrittenStep, rows


@dataclass(frozen=True)
class Call:
    """What a pass is told beside its tensors."""

    cell: Cell
    every: bool
    """Whether the hidden states of all steps are asked for."""
    together: bool
    """Whether all members are computed in batched products, or one after the other."""
    lender: Lender | None
    products: Products

    def tools(self, like: Tensor) -> Tools:
        """What to compute with, for values like these."""
        return Tools(pointwise_for(like), self.products)

    def members(self, count: int) -> Sequence[Index]:
        """Whom to compute, one after the other."""
        return [...] if self.together else range(count)


class WrittenSequence(torch.autograd.Function):
    """x (fleet, steps, batch, features), bias, weights by role, states at first -> last states, all hidden states.

    The backward pass writes over what the forward pass kept, so that it can run once only.
    """

    @staticmethod
    def forward(ctx: Any, call: Call, inputs_fsbi: Tensor, bias: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Step by step, after one product with the inputs of all steps."""
        cell, step, count = call.cell, call.cell.written, len(call.cell.roles)
        weights, initial = dict(zip(cell.roles, others[:count], strict=True)), others[count:]
        hidden = weights["hidden"].shape[-1]
        members, steps, batch, _ = inputs_fsbi.shape
        form = Form(members, steps, batch, hidden, len(cell.gates), step.apart, cell.carries)
        buffers = form.fresh(bias) if call.lender is None else call.lender.lend(form, bias)
        for place, states in enumerate(buffers.states):
            states[:, 0] = initial[place] if initial else 0
        tools, blank = call.tools(bias), not initial
        for index in call.members(form.members):
            part, own = (
                buffers.part(index),
                {role: call.products.factor(weight[index]) for role, weight in weights.items()},
            )
            call.products.put_affine(rows(part.gates), rows(inputs_fsbi[index]), own["input"].mT, bias[index])
            follow(step, part, own, blank, tools)
        ctx.save_for_backward(inputs_fsbi, *weights.values())
        ctx.set_materialize_grads(False)
        ctx.call, ctx.form, ctx.lent, ctx.blank = call, form, buffers, blank
        last = tuple(states[:, -1].clone() for states in buffers.states)
        return (*last, buffers.states[0][:, 1:].clone()) if call.every else last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Step by step from the end, then one product a weight."""
        if ctx.lent is None:
            raise RuntimeError("this backward pass has run already, and it keeps nothing: compute the forward again")
        call, form, buffers, step = ctx.call, ctx.form, ctx.lent, ctx.call.cell.written
        ctx.lent = None
        inputs_fsbi, *saved = ctx.saved_tensors
        weights = dict(zip(call.cell.roles, saved, strict=True))
        to_states = [start_of(gradient, buffers) for gradient in gradients[: form.states]]
        to_every = gradients[form.states] if call.every else None
        to_weights = {role: torch.empty_like(weight) for role, weight in weights.items()}
        to_bias = saved[0].new_empty(form.members, form.gates * form.hidden)
        to_inputs = inputs_fsbi.new_empty(inputs_fsbi.shape) if ctx.needs_input_grad[1] else None
        tools, first = call.tools(to_bias), int(ctx.blank)
        for index in call.members(form.members):
            part, own = (
                buffers.part(index),
                {role: call.products.factor(weight[index]) for role, weight in weights.items()},
            )
            each = None if to_every is None else to_every[index]
            unroll(step, part, own, [state[index] for state in to_states], each, ctx.blank, tools)
            out = {role: gradient[index] for role, gradient in to_weights.items()}
            step.weight_gradients(part, first, out, call.products)
            gather(step, part, inputs_fsbi[index], out["input"], to_bias[index], call.products)
            if to_inputs is not None:
                send(step, part, own["input"], to_inputs[index], call.products)
        if call.lender is not None:
            call.lender.take_back(buffers, form)
        return (None, to_inputs, to_bias, *to_weights.values(), *(() if ctx.blank else to_states))


def start_of(gradient: Tensor | None, buffers: Buffers) -> Tensor:
    """A gradient of the last states, in memory of its own; zeros where nobody asked for one."""
    if gradient is None:
        return torch.zeros_like(buffers.states[0][:, 0], memory_format=torch.contiguous_format)
    return gradient.clone(memory_format=torch.contiguous_format)


def follow(step: WrittenStep, part: Buffers, weights: Weights, blank: bool, tools: Tools) -> None:
    """All steps, from sums that have the inputs' part."""
    added = part.gates.shape[-1] - part.loops.shape[-1]
    to_sum, to_loop = torch.split(weights["hidden"].mT, [added, part.loops.shape[-1]], dim=-1)
    for at in range(part.gates.shape[-3]):
        view = part.step(at, blank)
        if not view.blank:
            tools.products.add(view.gates[..., :added], view.before[0], to_sum)
            if step.apart:
                tools.products.put(view.loop, view.before[0], to_loop)
        elif step.apart:
            view.loop.zero_()
        step.forward(view, weights, tools)


def unroll(
    step: WrittenStep,
    part: Buffers,
    weights: Weights,
    to_states: Sequence[Tensor],
    to_every: Tensor | None,
    blank: bool,
    tools: Tools,
) -> None:
    """Gradients of all sums in place, and in `to_states` those of the states at first.

    In `gates` stand those of the hidden products; where a block is kept apart, in `loops` those of its sums.
    """
    for at in reversed(range(part.gates.shape[-3])):
        view = part.step(at, blank)
        if to_every is not None:
            to_states[0].add_(to_every.select(-3, at))
        step.backward(view, weights, to_states, tools)
        if not view.blank:
            into = tools.products.add if step.leaks else tools.products.put
            into(to_states[0], view.gates, weights["hidden"])


def sums(step: WrittenStep, part: Buffers, whole: Tensor, axis: int) -> list[tuple[Tensor, Tensor]]:
    """The gradients of the sums, a row for every step and example, each with the blocks of `whole` that they are of."""
    kept, apart = part.gates.shape[-1] - part.loops.shape[-1], part.loops.shape[-1]
    if not step.apart:
        return [(rows(part.gates), whole)]
    first, last = torch.split(whole, [kept, apart], dim=axis)
    return [(rows(part.gates)[..., :kept], first), (rows(part.loops), last)]


def gather(
    step: WrittenStep, part: Buffers, inputs_sbi: Tensor, to_weight: Tensor, to_bias: Tensor, products: Products
) -> None:
    """The gradients of the input's weight and of the bias, over all steps."""
    for gradients, block in sums(step, part, to_weight, -2):
        products.put(block, gradients.mT, rows(inputs_sbi))
    for gradients, block in sums(step, part, to_bias, -1):
        torch.sum(gradients, dim=-2, out=block)


def send(step: WrittenStep, part: Buffers, weight: Tensor, to_inputs: Tensor, products: Products) -> None:
    """The gradient of the inputs of all steps."""
    (gradients, block), *others = sums(step, part, weight, -2)
    products.put(rows(to_inputs), gradients, block)
    for gradients, block in others:
        products.add(rows(to_inputs), gradients, block)


def written_sequence(
    cell: Cell,
    inputs_fsbi: Tensor,
    weights: Mapping[str, Tensor],
    bias: Tensor,
    initial: Sequence[Tensor] = (),
    every: bool = False,
    lender: Lender | None = None,
    together: bool | None = None,
) -> tuple[Tensor, ...]:
    """The last states, (fleet, batch, hidden) each, and if asked for every hidden state; differentiable once.

    Without states at first the sequence starts from zeros. Under autocast the factors and results of products are in
    its type, and all else, states included, in that of the weights. `together` is for tests: a CPU takes a member at a
    time.
    """
    device = inputs_fsbi.device.type
    cpu = device == "cpu"
    low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    call = Call(cell, every, (not cpu) if together is None else together, lender if cpu else None, Products(low))
    ordered = [weights[role] for role in cell.roles]
    with torch.autocast(device, enabled=False):
        states: tuple[Tensor, ...] = WrittenSequence.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
            call, inputs_fsbi.contiguous(), bias, *ordered, *initial
        )
    return states
