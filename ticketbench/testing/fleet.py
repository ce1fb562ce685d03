"""The one place where checks and test factories reach into the engine: benches, trials, lives, stacked passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.member import Member
from ticketbench.engine.network import Network
from ticketbench.engine.trial import MemberTrial
from ticketbench.plan.cell import Cell, Choice, Setting, make_cell
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Contract, Method, Model, Scorer, Task
from ticketbench.plugin.options import canonical, options_of
from ticketbench.suite.suite import Headline
from ticketbench.testing.outcome import Outcome
from ticketbench.testing.parts import Parts

CPU = torch.device("cpu")
NO_CHOICE = Choice("check", "{}")


def choice_of(item: Contract) -> Choice:
    """A part as a cell records it."""
    return Choice(item.name, canonical(options_of(item)) if hasattr(item, "__dataclass_fields__") else "{}")


def bench_of(parts: Parts, densities: Sequence[float], seeds: Sequence[int]) -> Bench:
    """A bench of a cell for every density and seed."""
    setting = Setting(
        "check",
        1,
        "check",
        "check",
        choice_of(parts.method),
        choice_of(parts.scorer) if parts.scorer else None,
        choice_of(parts.model),
        choice_of(parts.task),
        NO_CHOICE,
        choice_of(parts.initializer),
        tuple(choice_of(probe) for probe in parts.probes),
        "check",
        parts.recipe.text(),
        "fp32",
        "cpu",
    )
    cells = [make_cell(setting, setting.text(), density, seed) for density in densities for seed in seeds]
    cast = Cast(parts.method, parts.scorer, parts.model, parts.initializer, parts.probes, parts.where(), parts.recipe)
    return Bench(cells, [cast] * len(cells), CPU)


def bench_for(method: Method, scorer: Scorer | None, density: float, seeds: Sequence[int]) -> Bench:
    """A bench of one cell a seed, on the small network."""
    return bench_of(Parts(method=method, scorer=scorer), (density,), seeds)


def bench_of_cells(cells: Sequence[Cell], casts: Sequence[Cast]) -> Bench:
    """A bench of planned cells, each played by the objects of its cast."""
    return Bench(cells, casts, CPU)


def trial_at(bench: Bench, index: int = 0) -> MemberTrial:
    """The trial of a member at its initialization."""
    return MemberTrial(bench, index)


def lives(method: Method, scorer: Scorer | None, density: float, seeds: Sequence[int]) -> list[Member]:
    """The lives of a fleet with these seeds, on the small network, led to their end."""
    return led(bench_for(method, scorer, density, seeds), Headline(metric="accuracy"))


def led(bench: Bench, headline: Headline) -> list[Member]:
    """All lives of a bench, led to their end."""
    return lead(bench, headline, keep=True)


def outcome_of(member: Member) -> Outcome:
    """What a cell's life leaves behind, for a test to look at."""
    return Outcome(
        member.cell.density,
        member.cell.seed,
        member.status,
        member.reason,
        member.error,
        member.headline,
        member.train_steps,
        member.ticket,
        member.solution,
        (*member.curves, *member.trial.looks.points),
        tuple(member.trial.findings),
        member.cell,
        member.trial,
    )


@dataclass(frozen=True)
class Pass:
    """What a forward and a backward pass give, each with a leading axis over members."""

    outputs: list[Tensor]
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]


def stacked_pass(
    model: Model,
    modules: Sequence[nn.Module],
    task: Task,
    inputs: Tensor,
    targets: Tensor,
    call: Mapping[str, Any],
    training: bool,
    chance: Tensor | None = None,
) -> Pass:
    """The modules as one stack, each on its own row of inputs, of targets and of what is drawn at random."""
    network = Network(model, modules[0], task)
    parameters = {
        name: torch.stack([dict(module.named_parameters())[name].detach() for module in modules]).requires_grad_(
            weight.requires_grad
        )
        for name, weight in modules[0].named_parameters()
    }
    buffers = {
        name: torch.stack([dict(module.named_buffers())[name] for module in modules])
        for name, _ in modules[0].named_buffers()
    }
    trained = {name: weight for name, weight in parameters.items() if weight.requires_grad}
    outputs: list[Tensor] = []
    with network.mode(training=training):
        with torch.no_grad():
            kept = {name: part.clone() for name, part in buffers.items()}
            outputs += tree_leaves(network.outputs(parameters, kept, inputs, call, chance=chance))
        losses = network.losses(parameters, buffers, inputs, targets, call, chance)
    found = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True, materialize_grads=True)
    return Pass(outputs, dict(zip(trained, found, strict=True)), buffers)
