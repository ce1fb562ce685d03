"""Trials whose training only pretends, for methods that train and rewind."""

from __future__ import annotations

from dataclasses import replace

import torch

from ticketbench import Train, Trial


def pretend(trial: Trial, request: Train, by: int) -> None:
    """Training, as far as a method can tell: every live weight and bias moves, and the step is the one asked for."""
    source = torch.Generator().manual_seed(by)
    weights = trial.parameters
    trial.set_weights({name: weight + torch.randn(weight.shape, generator=source) for name, weight in weights.items()})
    pass_by(trial, request)


def pass_by(trial: Trial, request: Train) -> None:
    """A training that moves nothing: only the step is the one asked for."""
    until = trial.total_steps if request.until is None else request.until
    trial.rewind(replace(trial.snapshot(), step=until))


def kept(trial: Trial) -> int:
    """How many weights are left."""
    return sum(int(mask.sum()) for mask in trial.mask.values())


def copied(trial: Trial) -> dict[str, torch.Tensor]:
    """The present weights and biases."""
    return {name: weight.clone() for name, weight in trial.parameters.items()}


def under(trial: Trial, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Some weights under the present mask."""
    return {name: part.where(trial.mask[name], 0) if name in trial.mask else part for name, part in weights.items()}
