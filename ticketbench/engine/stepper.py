"""One training step of a stack: gradients, masks, clipping by member, and torch's own optimizers.

The optimizers of torch work element by element, so one optimizer over stacked tensors is an optimizer a
member. Gradients are masked before they are clipped and used; weights and slots outside the masks start at
zero and therefore stay exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.accelerate import Compiled, Graphs, StepFunction
from ticketbench.engine.network import Network
from ticketbench.engine.regimes import StackedRegime
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State
from ticketbench.errors import SuiteError
from ticketbench.plugin.regime import Regime
from ticketbench.suite.recipe import Recipe

CHANCE = "chance"
"""What the members' forwards draw at random, among what differs from step to step."""


class Stepper:
    """Moves a stack along its gradient, step by step."""

    def __init__(
        self,
        network: Network,
        stack: Stack,
        recipe: Recipe,
        accelerate: bool | None = None,
        regime: Regime | None = None,
        losses: Callable[..., Tensor] | None = None,
    ) -> None:
        self.network = network
        self.stack = stack
        self.recipe = recipe
        self.regime = None if regime is None else StackedRegime(regime, stack)
        names = [name for name in stack.parameters if recipe.trains(name)]
        self.weights = [stack.parameters[name] for name in names]
        self.names = names
        self.extras = [] if self.regime is None else self.regime.trained
        """The names of what a regime trains beside the weights."""
        self.trained = [*self.weights, *(extra for _, extra in self.beside())]
        """Everything that moves."""
        self.optimizer = make_optimizer(recipe, stack, self.regime)
        self.on_cuda = self.weights[0].is_cuda
        self.losses: Callable[..., Tensor] = losses or network.losses
        self.compute: StepFunction = self.eager
        if self.on_cuda if accelerate is None else accelerate:
            self.losses = Compiled(self.losses)
        if self.on_cuda:
            self.compute = Graphs(self.eager)
        self.masks = {name: mask for name, mask in stack.masks.items() if name in names}
        self.gates = [(names.index(name), torch.ones_like(stack.parameters[name])) for name in self.masks]
        self.gating = True
        self.average: float | None = None
        self.refresh()

    def beside(self) -> list[tuple[str, Tensor]]:
        """What a regime trains beside the weights, as the stack has it now; without what it has dropped."""
        if self.regime is None:
            return []
        keys = ((name, self.regime.keys[name]) for name in self.extras)
        return [(name, self.stack.extras[key]) for name, key in keys if key in self.stack.extras]

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

    def drawn(self, inputs: Tensor, call: Mapping[str, Any], seeds: Sequence[int], step: int, total: int) -> State:
        """What differs from step to step beside batch and keywords: what models and regimes draw at random."""
        drawn = {} if self.regime is None else self.regime.drawn(seeds, step, total, inputs.device)
        chance = self.network.chance(inputs, call, seeds, step)
        return drawn if chance is None else {**drawn, CHANCE: chance}

    def step(
        self,
        inputs: Tensor,
        targets: Tensor,
        learning_rate: float,
        call: Mapping[str, Any],
        drawn: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """One step of every member on its own batch; returns the losses before it, penalties left out."""
        for group in self.optimizer.param_groups:
            rate = learning_rate * group["factor"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        return self.compute(inputs, targets, call, drawn or {})

    def eager(self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any], drawn: Mapping[str, Tensor]) -> Tensor:
        """The step at the learning rates that are set."""
        losses, gradients = self.gradients(inputs, targets, call, drawn)
        if self.recipe.clip is not None:
            clip_by_member(gradients, self.recipe.clip)
        if self.recipe.decoupled and self.recipe.weight_decay:
            self.shrink()
        for weight, gradient in zip(self.trained, gradients, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        return losses

    def gradients(
        self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any], drawn: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Each member's loss and its gradient, masked."""
        buffers = {**self.stack.buffers, **self.stack.carried}
        parameters, chance = self.stack.parameters, [drawn[CHANCE]] if CHANCE in drawn else []
        if self.regime is None:
            losses = total = self.losses(parameters, buffers, inputs, targets, call, *chance)
        else:
            seen = {**parameters, **self.regime.computed(parameters, drawn)}
            losses = self.losses(seen, buffers, inputs, targets, call, *chance)
            penalties = self.regime.penalties(parameters, drawn)
            total = losses if penalties is None else losses + penalties
        found = torch.autograd.grad(total.sum(), self.trained, allow_unused=True, materialize_grads=True)
        gradients = [gradient.contiguous() for gradient in found]  # the fused optimizers read memory in order
        if self.regime is not None:
            self.steer(gradients, drawn)
        if self.average is not None:
            for name, (index, _) in zip(self.masks, self.gates, strict=True):
                self.stack.averages[name].lerp_(gradients[index], 1 - self.average)
        if self.gating and self.regime is not None:
            for name, (index, _) in zip(self.masks, self.gates, strict=True):
                # a product would keep what is not finite there, such as the slope of a penalty √|θ| at zero
                gradients[index] = gradients[index].where(self.masks[name], 0)
        elif self.gating and self.gates:
            torch._foreach_mul_([gradients[index] for index, _ in self.gates], [gate for _, gate in self.gates])
        return losses.detach(), gradients

    @torch.no_grad()
    def steer(self, gradients: list[Tensor], drawn: Mapping[str, Tensor]) -> None:
        """Let the regime put other gradients in the place of those that were found."""
        assert self.regime is not None
        places = {name: at for at, name in enumerate([*self.names, *self.extras])}
        found = {name: gradients[at] for name, at in places.items()}
        for name, other in self.regime.steered(found, self.stack.parameters, drawn).items():
            if name in places:  # what the recipe does not train stays as it is
                gradients[places[name]] = other.contiguous()

    def seen(self) -> State:
        """The stacked parameters as the forward sees them when they are judged."""
        if self.regime is None:
            return self.stack.parameters
        with torch.no_grad():
            return {**self.stack.parameters, **self.regime.computed(self.stack.parameters, None)}

    def shrink(self) -> None:
        """Decoupled weight decay: θ ← θ·(1 − lr·λ), beside the update."""
        with torch.no_grad():
            for group in self.optimizer.param_groups:
                if group["decays"]:
                    torch._foreach_mul_(group["params"], 1 - group["lr"] * self.recipe.weight_decay)

    def moved(self, steps: int) -> None:
        """Count steps that were taken, for every member, and drop the gradients."""
        for member in range(len(self.stack)):
            self.stack.steps[member] += steps
            self.stack.updates[member] += steps
        for weight in self.trained:
            weight.grad = None


def make_optimizer(recipe: Recipe, stack: Stack, regime: StackedRegime | None = None) -> torch.optim.Optimizer:
    """torch's optimizer over the stacked weights, a group for each learning-rate factor; a regime's extras apart."""
    by_factor: dict[float, list[Tensor]] = {}
    for name, weight in stack.parameters.items():
        if recipe.trains(name):
            by_factor.setdefault(recipe.factor(name), []).append(weight)
    if not by_factor:
        raise SuiteError(f"no parameter matches train_only = {list(recipe.train_only)}: {', '.join(stack.parameters)}")
    on_cuda = next(iter(stack.parameters.values())).is_cuda
    beside: dict[float, list[Tensor]] = {}
    for name in regime.trained if regime is not None else ():
        assert regime is not None
        beside.setdefault(regime.regime.rate(name), []).append(stack.extras[regime.keys[name]])
    decay = 0.0 if recipe.decoupled else recipe.weight_decay
    groups: list[dict[str, Any]] = []
    for decays, sorted_by_factor in ((True, by_factor), (False, beside)):
        for factor, weights in sorted_by_factor.items():
            # on CUDA a rate is a tensor, so that a captured step can read it
            rate: Any = recipe.learning_rate
            rate = torch.tensor(rate, device=weights[0].device) if on_cuda else rate
            group = {"params": weights, "factor": factor, "lr": rate, "decays": decays}
            groups.append(group if decays else {**group, "weight_decay": 0.0})
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            groups, betas=recipe.betas, eps=recipe.epsilon, weight_decay=decay, fused=True, capturable=on_cuda
        )
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=decay,
        fused=True,
    )


def slot_names(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """The slots that an optimizer keeps for each weight."""
    if isinstance(optimizer, torch.optim.Adam):
        return ("exp_avg", "exp_avg_sq")
    return ("momentum_buffer",) if optimizer.param_groups[0]["momentum"] else ()


def adopt_slots(optimizer: torch.optim.Optimizer, stack: Stack) -> None:
    """Let the optimizer work on the stack's own slots: zeros where they are new."""
    moving = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    every = {**stack.parameters, **stack.extras}
    weights = {name: weight for name, weight in every.items() if id(weight) in moving}
    for slot in slot_names(optimizer):
        mine = stack.slots.setdefault(slot, {})
        for name, weight in weights.items():
            if name not in mine:
                mine[name] = torch.zeros_like(weight.detach())
    for name, weight in weights.items():
        state: dict[str, Any] = {slot: stack.slots[slot][name] for slot in slot_names(optimizer)}
        if isinstance(optimizer, torch.optim.Adam):
            known = optimizer.state[weight].get("step") if weight in optimizer.state else None
            state["step"] = torch.zeros((), device=weight.device) if known is None else known
            born = stack.born[name][0] if name in stack.born else 0
            state["step"].fill_(float(stack.updates[0] - born))
        optimizer.state[weight] = state


def clip_by_member(gradients: list[Tensor], limit: float) -> None:
    """Scale each member's gradient to a norm of at most `limit`, as torch's clip_grad_norm_ does for one."""
    norms = [torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1) for gradient in gradients]
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factors = (limit / (total + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
