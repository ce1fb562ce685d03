"""How far each member of a fleet moves at an update: numbers on the device that no kernel asks the host for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pace:
    """A number for each of the F slots of a fleet, each field a contiguous tensor (F,) on the device of the weights."""

    live: Tensor
    """bool: whether the slot's member moves; where it does not, nothing of it changes, bit for bit."""
    rate: Tensor
    """fp32: the learning rate, the factor of the parameter's group included."""
    decay: Tensor
    """fp32: coupled weight decay λ, gradient ← gradient + λ·weight; 0 is none."""
    shrink: Tensor
    """fp32: decoupled weight decay as the factor 1 − rate·λ of the weight before it is updated; 1 is none."""
    age: Tensor | None = None
    """int64 or fp32: the number of the update, counted from 1. Adam alone needs it."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """What Adam's averages are divided by because they begin at zero, a number a slot: fp32 tensors (F,)."""

    first: Tensor
    """1 − β₁^age."""
    root: Tensor
    """√(1 − β₂^age)."""


@torch.no_grad()
def corrections_at(age: Tensor, betas: tuple[float, float]) -> Corrections:
    """The corrections at an age, computed in fp64; one object serves all tensors that are as old.

    A slot of age 0 has had no update, and gets those of age 1, so that nothing is divided by zero.
    """
    exact = age.clamp(min=1).double()
    first, second = (1 - torch.pow(beta, exact) for beta in betas)
    return Corrections(first.float(), second.sqrt().float())


def corrections_of(pace: Pace, betas: tuple[float, float]) -> Corrections:
    """The corrections at the age that a pace has."""
    if pace.age is None:
        raise ValueError("Adam needs the age of each member: a Pace with an age, or corrections made of one")
    return corrections_at(pace.age, betas)
