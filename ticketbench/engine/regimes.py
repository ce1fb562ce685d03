"""Regimes at work: what a method changes about its steps, written for one network, for every member of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State, cloned, index_of, member_rows
from ticketbench.errors import TicketError, suggest
from ticketbench.plugin.regime import Noise, Regime, StepView
from ticketbench.seeds import generator

NOISE = "noise of "
"""What stands before the name of a noise, among what differs from step to step."""
PROGRESS = "progress"


@dataclass(frozen=True)
class Overrides:
    """Which parts of a step a regime changes."""

    computes: bool
    penalises: bool
    steers: bool

    @classmethod
    def of(cls, regime: Regime) -> Overrides:
        """Which methods of `Regime` a regime's class overrides: the others need not be computed."""
        kind = type(regime)
        return cls(
            kind.computed is not Regime.computed,
            kind.penalty is not Regime.penalty,
            kind.gradient is not Regime.gradient,
        )


class StackedRegime:
    """One regime for all members of a stack."""

    def __init__(self, regime: Regime, stack: Stack) -> None:
        self.regime = regime
        self.stack = stack
        self.parts = Overrides.of(regime)
        self.keys = stack.extra_keys(regime)
        """The name of each of the extras -> its key in the stack."""
        self.noises = dict(sorted(regime.noise(stack.weights(0)).items()))
        self.trained = [name for name in self.keys if regime.rate(name)]

    def extras(self) -> State:
        """All extras, by their own names, with a leading fleet axis."""
        return {name: self.stack.extras[key] for name, key in self.keys.items()}

    def drawn(self, seeds: Sequence[int], steps: Sequence[int], totals: Sequence[int], device: torch.device) -> State:
        """What differs from step to step: every member's random numbers, and how far its schedule is."""
        shares = [step / total for step, total in zip(steps, totals, strict=True)]
        drawn = {PROGRESS: torch.tensor(shares, dtype=torch.float32).to(device)}
        each = zip(seeds, steps, strict=True)
        sources = [generator(seed, "regime", step) for seed, step in each] if self.noises else []
        for name, noise in self.noises.items():
            drawn[NOISE + name] = torch.stack([numbers(noise, source) for source in sources]).to(device)
        return drawn

    def computed(self, parameters: State, drawn: Mapping[str, Tensor] | None) -> State:
        """The weights that the forward sees where they are not θ itself; when it is judged, if nothing was drawn."""
        if not self.parts.computes:
            return {}

        def one(weights: State, mask: State, extras: State, noise: State | None, progress: Tensor) -> State:
            return dict(self.regime.computed(StepView(weights, mask, extras, noise, progress)))

        return seen_through(self.stack.masks, self._each(one, parameters, drawn))

    def penalties(self, parameters: State, drawn: Mapping[str, Tensor]) -> Tensor | None:
        """The penalty of every member, (fleet,); None where the regime has none."""
        if not self.parts.penalises:
            return None

        def one(weights: State, mask: State, extras: State, noise: State | None, progress: Tensor) -> State:
            value = self.regime.penalty(StepView(weights, mask, extras, noise, progress))
            return {} if value is None else {"penalty": value}

        return self._each(one, parameters, drawn).get("penalty")

    def steered(self, gradients: State, parameters: State, drawn: Mapping[str, Tensor]) -> State:
        """The gradients that the regime puts in place of others."""
        if not self.parts.steers:
            return {}

        def one(
            found: State, weights: State, mask: State, extras: State, noise: State | None, progress: Tensor
        ) -> State:
            return dict(self.regime.gradient(found, StepView(weights, mask, extras, noise, progress)))

        return self._each(one, parameters, drawn, gradients)

    def _each(
        self, one: Callable[..., State], parameters: State, drawn: Mapping[str, Tensor] | None, *before: State
    ) -> State:
        noise = None if drawn is None else {name: drawn[NOISE + name] for name in self.noises}
        first = next(iter(parameters.values()))
        progress = torch.ones(len(first), device=first.device) if drawn is None else drawn[PROGRESS]
        states = (parameters, self.stack.masks, self.extras())
        given = [*before, *(unwritable(state) for state in states), noise, progress]
        axes = tuple(0 if value else None for value in given[:-1])
        found: State = vmap(one, in_dims=(*axes, 0))(*given)
        return found


def unwritable(state: State) -> State:
    """The tensors themselves where a gradient flows into them, which autograd lets nobody write to; else copies."""
    flows = torch.is_grad_enabled()
    return {name: value if flows and value.requires_grad else value.detach().clone() for name, value in state.items()}


def numbers(noise: Noise, source: torch.Generator) -> Tensor:
    """Random numbers of a kind and shape."""
    draw = torch.randn if noise.kind == "normal" else torch.rand
    return draw(noise.shape, generator=source, dtype=getattr(torch, noise.precision))


def seen_through(mask: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> State:
    """Weights that are exactly zero outside the mask, whatever was computed there."""
    return {name: value.where(mask[name], 0) if name in mask else value for name, value in weights.items()}


def seen(stack: Stack, member: int) -> State:
    """A member's parameters as the forward sees them when it is judged."""
    weights, regime = stack.weights(member), stack.regimes[member]
    if regime is None or not Overrides.of(regime).computes:
        return weights
    one = torch.ones((), device=next(iter(weights.values())).device)
    step = StepView(cloned(weights), stack.mask(member), cloned(stack.extras_of(member)), None, one)
    with torch.no_grad():
        return {**weights, **seen_through(stack.mask(member), regime.computed(step))}


def seen_by(stack: Stack, members: Sequence[int]) -> State:
    """The parameters of members under one regime as the forward sees them when they are judged, a row a member."""
    index_m = index_of(members, len(stack), next(iter(stack.parameters.values())).device)
    rows, regime = member_rows(stack.parameters, index_m), stack.regimes[members[0]]
    if regime is None or not Overrides.of(regime).computes:
        return rows
    with torch.no_grad():
        return {**rows, **member_rows(StackedRegime(regime, stack).computed(stack.parameters, None), index_m)}


def begin(stack: Stack, member: int, regime: Regime, source: torch.Generator) -> None:
    """A member is trained under a regime from here on; the extras of another one of the same class go on."""
    if stack.regimes[member] == regime:
        return
    weights = {name: weight.clone() for name, weight in stack.weights(member).items()}
    extras = {
        name: value.detach().to(next(iter(weights.values())).device)
        for name, value in regime.extras(weights, source).items()
    }
    check_regime(regime, weights, stack.mask(member), cloned(extras))
    stack.begin(member, regime, extras)


def check_regime(regime: Regime, weights: State, mask: State, extras: State) -> None:
    """What a regime computes has names and shapes that fit, or a `TicketError` says which do not."""
    kind = type(regime).__name__
    for name in extras:
        if name in weights:
            raise TicketError(f"the regime {kind} calls one of its extras '{name}', as a weight is called. Rename it.")
    device = next(iter(weights.values())).device
    noise = {
        name: torch.full(one.shape, 0.5, dtype=getattr(torch, one.precision), device=device)
        for name, one in regime.noise(weights).items()
    }
    progress = torch.zeros(())
    for given in (noise, None):
        step = StepView(weights, mask, extras, given, progress)
        with torch.no_grad():
            for name, value in regime.computed(step).items():
                if name not in weights:
                    raise TicketError(f"the regime {kind} computes '{name}', no parameter. {suggest(name, weights)}")
                if value.shape != weights[name].shape:
                    raise TicketError(
                        f"the regime {kind} computes '{name}' of shape {tuple(value.shape)}, not "
                        f"{tuple(weights[name].shape)}"
                    )
    with torch.no_grad():
        penalty = regime.penalty(StepView(weights, mask, extras, noise, progress))
        known = {**weights, **{name: value for name, value in extras.items() if regime.rate(name)}}
        changed = regime.gradient(
            {name: torch.zeros_like(value) for name, value in known.items()},
            StepView(weights, mask, extras, noise, progress),
        )
    if penalty is not None and penalty.shape != ():
        raise TicketError(f"the penalty of the regime {kind} has shape {tuple(penalty.shape)}; it must be a scalar")
    for name, value in changed.items():
        if name not in known:
            raise TicketError(f"the regime {kind} changes the gradient of '{name}', of nothing. {suggest(name, known)}")
        if value.shape != known[name].shape:
            raise TicketError(
                f"the regime {kind} gives '{name}' a gradient of shape {tuple(value.shape)}, not "
                f"{tuple(known[name].shape)}"
            )
