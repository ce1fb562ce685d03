"""Optimizers on live weights against torch's own on dense ones, in double precision by the machine's twin."""

from __future__ import annotations

from ctypes import byref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from machines import needs_machine, single_ways
from torch import Tensor

from ticketbench.sparse.library import Rule, machine
from ticketbench.sparse.live import Live

pytestmark = needs_machine

STEPS = 6
SHAPES = {"a": (7, 5), "b": (7,), "empty": (4, 3), "frozen": (6, 6), "c": (16, 4)}
FACTORS = {"a": 1.0, "b": 0.25, "empty": 1.0, "frozen": -1.0, "c": 3.0}


def rule(
    adam: bool = False, keep: float = 0.0, nesterov: bool = False, decoupled: bool = False, decay: float = 0.0
) -> Rule:
    """As the machine wants it, without clipping."""
    return Rule(int(adam), keep, 0.99, 1e-6, int(nesterov), int(decoupled), decay, 0.0)


@dataclass
class Case:
    """Random weights under masks, and a gradient for every step."""

    seed: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)
    gradients: list[dict[str, Tensor]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Drawn from the seed."""
        source = torch.Generator().manual_seed(self.seed)

        def numbers(name: str) -> Tensor:
            drawn = torch.randn(SHAPES[name], generator=source, dtype=torch.float64)
            return drawn * self.masks.get(name, torch.ones(()))

        densities = {"a": 0.4, "empty": 0.0, "frozen": 0.5, "c": 0.9}
        self.masks = {name: torch.rand(SHAPES[name], generator=source) < part for name, part in densities.items()}
        self.weights = {name: numbers(name) for name in SHAPES}
        self.gradients = [{name: numbers(name) for name in SHAPES} for _ in range(STEPS)]
        self.rates = [0.1 / (1 + step) for step in range(STEPS)]

    def by_torch(self, optimizer: type[torch.optim.Optimizer], clip: float = 0.0, **options: Any) -> dict[str, Tensor]:
        """Weights after all steps of a dense optimizer with masked gradients."""
        weights = {name: weight.clone().requires_grad_() for name, weight in self.weights.items()}
        trained = [name for name in SHAPES if FACTORS[name] >= 0]
        used = optimizer([{"params": [weights[name]], "lr": 0.0} for name in trained], lr=0.0, **options)
        for gradients, rate in zip(self.gradients, self.rates, strict=True):
            for name, group in zip(trained, used.param_groups, strict=True):
                weights[name].grad, group["lr"] = gradients[name].clone(), rate * FACTORS[name]
            if clip:
                torch.nn.utils.clip_grad_norm_([weights[name] for name in trained], clip)
            used.step()
        return {name: weight.detach() for name, weight in weights.items()}

    def by_machine(self, used: Rule, slots: tuple[str, ...] = (), way: str = "twin") -> dict[str, Tensor]:
        """The same on live weights alone."""
        found, kind = machine(way), torch.float64 if way == "twin" else torch.float32
        weights = {name: weight.to(kind) for name, weight in self.weights.items()}
        live = Live(list(SHAPES), weights, self.masks, slots, FACTORS.__getitem__, double=way == "twin")
        for step, gradients in enumerate(self.gradients):
            for name, gradient in gradients.items():
                kept = live.kept[name]
                flat = gradient.flatten() if kept is None else gradient.flatten()[kept]
                live.gradients[live.at[name]] = flat.numpy()
            found.update(byref(live.member), byref(used), self.rates[step], step + 1)
        behind = np.ones(len(live.values), bool)
        for where in live.at.values():
            behind[where] = False
        assert not live.values[behind].any()
        out = {name: torch.zeros(shape, dtype=kind) for name, shape in SHAPES.items()}
        live.put(out)
        return out


ADAM = ("exp_avg", "exp_avg_sq")
MOMENTUM = ("momentum_buffer",)
SGD_OPTIMIZERS = {
    "sgd": (rule(), (), {}),
    "sgd with decay": (rule(decay=0.3), (), {"weight_decay": 0.3}),
    "momentum": (rule(keep=0.9), MOMENTUM, {"momentum": 0.9}),
    "momentum with decay": (rule(keep=0.9, decay=0.3), MOMENTUM, {"momentum": 0.9, "weight_decay": 0.3}),
    "nesterov": (rule(keep=0.9, nesterov=True), MOMENTUM, {"momentum": 0.9, "nesterov": True}),
    "nesterov with decay": (
        *(rule(keep=0.9, nesterov=True, decay=0.3), MOMENTUM),
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.3},
    ),
}
BETAS: dict[str, Any] = {"betas": (0.8, 0.99), "eps": 1e-6}
ADAM_OPTIMIZERS = {
    "adam": (rule(True, 0.8), ADAM, BETAS),
    "adam with decay": (rule(True, 0.8, decay=0.3), ADAM, {**BETAS, "weight_decay": 0.3}),
}
OPTIMIZERS: dict[str, tuple[Rule, tuple[str, ...], type[torch.optim.Optimizer], dict[str, Any]]] = {
    **{name: (used, slots, torch.optim.SGD, options) for name, (used, slots, options) in SGD_OPTIMIZERS.items()},
    **{name: (used, slots, torch.optim.Adam, options) for name, (used, slots, options) in ADAM_OPTIMIZERS.items()},
    "adamw": (rule(True, 0.8, decoupled=True, decay=0.3), ADAM, torch.optim.AdamW, {**BETAS, "weight_decay": 0.3}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [0.0, 0.5, 100.0])
def test_an_optimizer_is_that_of_torch(name: str, clip: float):
    """Rates that fall, parts with rates of their own, empty or not trained ones; clipped, or not needing it."""
    used, slots, optimizer, options = OPTIMIZERS[name]
    clipped = Rule.from_buffer_copy(used)
    clipped.clip = clip
    case = Case()
    found, expected = case.by_machine(clipped, slots), case.by_torch(optimizer, clip, **options)
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, rtol=1e-12, atol=1e-13), name
    assert torch.equal(found["frozen"], case.weights["frozen"])
    assert not torch.equal(found["b"], case.weights["b"])


def test_plain_descent_can_decay_apart_from_the_gradient_too():
    """w ← (1 − rate · decay) w − rate · g."""
    case = Case(3)
    expected = {name: weight.clone() for name, weight in case.weights.items()}
    for gradients, rate in zip(case.gradients, case.rates, strict=True):
        for name, factor in FACTORS.items():
            if factor >= 0:
                expected[name] = (1 - rate * factor * 0.3) * expected[name] - rate * factor * gradients[name]
    found = case.by_machine(rule(decoupled=True, decay=0.3))
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, rtol=1e-12, atol=1e-13), name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_way_gives_the_same_bits_near_those_of_the_twin(name: str):
    """Clipped, in single precision."""
    used, slots, _, _ = OPTIMIZERS[name]
    clipped = Rule.from_buffer_copy(used)
    clipped.clip = 1.0
    case = Case(1)
    twin, first, *others = (case.by_machine(clipped, slots, way) for way in ("twin", *single_ways()))
    for part, weight in first.items():
        assert torch.allclose(weight.double(), twin[part], rtol=1e-4, atol=1e-5)
        assert all(torch.equal(other[part], weight) for other in others)


def test_gradients_of_what_is_not_trained_do_not_count_in_the_norm():
    """A huge one clips nothing."""
    case = Case(2)
    free = case.by_machine(rule())
    for gradients in case.gradients:
        gradients["frozen"] *= 1e9
    clipped = rule()
    clipped.clip = 1e3
    assert all(torch.equal(weight, free[name]) for name, weight in case.by_machine(clipped).items())
