"""One training step of a stack: gradients, masks, clipping by member, and torch's own optimizers.

The optimizers of torch work element by element, so one optimizer over stacked tensors is an optimizer a
member. Gradients are masked before they are clipped and used; weights and slots outside the masks start at
zero and therefore stay exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.accelerate import Compiled, Graphs, Step
from ticketbench.engine.network import Network
from ticketbench.engine.stack import Stack
from ticketbench.errors import SuiteError
from ticketbench.suite.recipe import Recipe


class Stepper:
    """Moves a stack along its gradient, step by step."""

    def __init__(self, network: Network, stack: Stack, recipe: Recipe, accelerate: bool | None = None) -> None:
        self.network = network
        self.stack = stack
        self.recipe = recipe
        names = [name for name in stack.parameters if recipe.trains(name)]
        self.weights = [stack.parameters[name] for name in names]
        self.optimizer = make_optimizer(recipe, stack)
        self.on_cuda = self.weights[0].is_cuda
        self.losses: Callable[..., Tensor] = network.losses
        self.compute: Step = self.eager
        if self.on_cuda if accelerate is None else accelerate:
            self.losses = Compiled(network.losses)
        if self.on_cuda:
            self.compute = Graphs(self.eager)
        self.masks = {name: mask for name, mask in stack.masks.items() if name in names}
        self.gates = [(names.index(name), torch.ones_like(stack.parameters[name])) for name in self.masks]
        self.gating = True
        self.average: float | None = None
        self.refresh()

    @property
    def how(self) -> str:
        """How steps are computed, for the record."""
        ways = [part.how for part in (self.losses, self.compute) if isinstance(part, (Compiled, Graphs))]
        return "+".join(ways)

    def keep_average(self, decay: float | None) -> None:
        """From here on keep a running average of the dense gradient, a ← decay·a + (1 − decay)·g; None forgets it."""
        if decay is not None and not self.stack.averages:
            self.stack.averages = {name: torch.zeros_like(self.stack.parameters[name]) for name in self.stack.masks}
        if decay is None:
            for part in self.stack.averages.values():
                part.zero_()
        if self.on_cuda and decay != self.average:
            self.compute = Graphs(self.eager)  # a captured step knows of one way only
        self.average = decay

    def refresh(self) -> None:
        """Take up masks and optimizer states that changed since the last step."""
        # a captured step needs the same operations on the same memory every time
        self.gating = self.on_cuda or not self.stack.dense
        if self.gating:
            with torch.no_grad():
                for (_, gate), mask in zip(self.gates, self.masks.values(), strict=True):
                    gate.copy_(mask)
        adopt_slots(self.optimizer, self.stack)

    def step(self, inputs: Tensor, targets: Tensor, learning_rate: float, call: Mapping[str, Any]) -> Tensor:
        """One step of every member on its own batch; returns the losses before it."""
        for group in self.optimizer.param_groups:
            rate = learning_rate * group["factor"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        return self.compute(inputs, targets, call)

    def eager(self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any]) -> Tensor:
        """The step at the learning rates that are set."""
        losses, gradients = self.gradients(inputs, targets, call)
        if self.recipe.clip is not None:
            clip_by_member(gradients, self.recipe.clip)
        if self.recipe.decoupled and self.recipe.weight_decay:
            self.shrink()
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        return losses

    def gradients(self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any]) -> tuple[Tensor, list[Tensor]]:
        """Each member's loss and its gradient, masked."""
        buffers = {**self.stack.buffers, **self.stack.carried}
        losses = self.losses(self.stack.parameters, buffers, inputs, targets, call)
        found = torch.autograd.grad(losses.sum(), self.weights, allow_unused=True, materialize_grads=True)
        gradients = [gradient.contiguous() for gradient in found]  # the fused optimizers read memory in order
        if self.average is not None:
            for name, (index, _) in zip(self.masks, self.gates, strict=True):
                self.stack.averages[name].lerp_(gradients[index], 1 - self.average)
        if self.gating and self.gates:
            torch._foreach_mul_([gradients[index] for index, _ in self.gates], [gate for _, gate in self.gates])
        return losses.detach(), gradients

    def shrink(self) -> None:
        """Decoupled weight decay: θ ← θ·(1 − lr·λ), beside the update."""
        with torch.no_grad():
            for group in self.optimizer.param_groups:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * self.recipe.weight_decay)

    def moved(self, steps: int) -> None:
        """Note steps that were taken."""
        for member in range(len(self.stack)):
            self.stack.steps[member] += steps
            self.stack.updates[member] += steps
        for weight in self.weights:
            weight.grad = None


def make_optimizer(recipe: Recipe, stack: Stack) -> torch.optim.Optimizer:
    """torch's optimizer over the stacked weights, a group for each learning-rate factor."""
    by_factor: dict[float, list[Tensor]] = {}
    for name, weight in stack.parameters.items():
        if recipe.trains(name):
            by_factor.setdefault(recipe.factor(name), []).append(weight)
    if not by_factor:
        raise SuiteError(f"no parameter matches train_only = {list(recipe.train_only)}: {', '.join(stack.parameters)}")
    on_cuda = next(iter(stack.parameters.values())).is_cuda
    groups: list[dict[str, Any]] = []
    for factor, weights in by_factor.items():  # on CUDA a rate is a tensor, so that a captured step can read it
        rate: Any = torch.tensor(recipe.learning_rate, device=weights[0].device) if on_cuda else recipe.learning_rate
        groups.append({"params": weights, "factor": factor, "lr": rate})
    decay = 0.0 if recipe.decoupled else recipe.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            groups, betas=recipe.betas, eps=recipe.epsilon, weight_decay=decay, fused=True, capturable=on_cuda
        )
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay,
        fused=True,
    )  # fmt: skip


def slot_names(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """The slots that an optimizer keeps for each weight."""
    if isinstance(optimizer, torch.optim.Adam):
        return ("exp_avg", "exp_avg_sq")
    return ("momentum_buffer",) if optimizer.param_groups[0]["momentum"] else ()


def adopt_slots(optimizer: torch.optim.Optimizer, stack: Stack) -> None:
    """Let the optimizer work on the stack's own slots: zeros where they are new."""
    trained = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    weights = {name: weight for name, weight in stack.parameters.items() if id(weight) in trained}
    for slot in slot_names(optimizer):
        if slot not in stack.slots:
            stack.slots[slot] = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for name, weight in weights.items():
        state: dict[str, Any] = {slot: stack.slots[slot][name] for slot in slot_names(optimizer)}
        if isinstance(optimizer, torch.optim.Adam):
            known = optimizer.state[weight].get("step") if weight in optimizer.state else None
            state["step"] = torch.zeros((), device=weight.device) if known is None else known
            state["step"].fill_(float(stack.updates[0]))
        optimizer.state[weight] = state


def clip_by_member(gradients: list[Tensor], limit: float) -> None:
    """Scale each member's gradient to a norm of at most `limit`, as torch's clip_grad_norm_ does for one."""
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factors = (limit / (total + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
