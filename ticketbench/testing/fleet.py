"""The one place where checks and test factories reach into the engine: benches, trials, lives, stacked passes.

What it hands to plugins' tests names no part of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.member import Member
from ticketbench.engine.network import Network
from ticketbench.engine.remask import change_masks, same_changes, stacked_view
from ticketbench.engine.stacked_looks import measure_together
from ticketbench.engine.state import cloned, member_of
from ticketbench.engine.train import Goal, train_to_the_end
from ticketbench.engine.trial import MemberTrial
from ticketbench.plan.cell import Cell, Choice, Setting, make_cell
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Contract, Method, Model, Probe, Scorer, Task
from ticketbench.plugin.mask_rule import MaskRule, MaskView
from ticketbench.plugin.options import canonical, options_of
from ticketbench.plugin.request import Request, Train
from ticketbench.plugin.trial import Trial
from ticketbench.seeds import generator
from ticketbench.suite.suite import Headline
from ticketbench.testing.outcome import Outcome
from ticketbench.testing.parts import Parts
from ticketbench.testing.standing import OptimizerState, Reported

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
        engine=parts.engine,
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


def trial_of(trial: Trial) -> MemberTrial:
    """The trial, as the engine made it."""
    if not isinstance(trial, MemberTrial):
        raise TypeError(f"only a trial that the engine made has a state to look at, not {trial!r}: take trial_for(...)")
    return trial


def behind(trial: Trial) -> tuple[Bench, int]:
    """The bench of a trial, and the trial's seat at it."""
    return trial_of(trial)._bench, trial_of(trial)._member


def carry_out(trial: Trial, request: Request) -> None:
    """Do with a trial what its method requests, as a run would: train it on its own examples, or change its mask.

    A training under a regime begins it, and a plain one ends it. No probe looks on at a training, its cost is not
    booked, and what a method may read of its beginning (`origin`, `trainings`) stays as it is.

    >>> from ticketbench.testing import trial_for
    >>> trial = trial_for()
    >>> carry_out(trial, trial.train(until=7))
    >>> trial.step
    7
    """
    bench, member = behind(trial)
    if not isinstance(request, Train):
        change_masks(bench, [(trial_of(trial), request)])
        return
    trial_of(trial).enter(request.regime)
    plain = bench.course(member, request.order, trial.total_steps if request.until is None else request.until)
    course = replace(plain, average=request.average)
    stepper, courses, copied = bench.steppers.for_members([member], [request], [course])
    train_to_the_end(stepper, bench.stage.data, courses, Goal("accuracy", higher_is_better=True))
    if copied:
        bench.stack.put([member], stepper.stack)


def optimizer_of(trial: Trial) -> OptimizerState:
    """A copy of the state of a trial's optimizer.

    >>> from ticketbench.testing import trial_for
    >>> optimizer_of(trial_for())
    OptimizerState(updates=0, slots={})
    """
    bench, member = behind(trial)
    slots = {kind: cloned(member_of(state, member)) for kind, state in bench.stack.slots.items()}
    return OptimizerState(bench.stack.updates[member], slots)


def reported_by(trial: Trial) -> list[Reported]:
    """The networks that a trial has reported, in their order, as long as they wait to be judged.

    >>> from ticketbench.testing import trial_for
    >>> trial = trial_for()
    >>> trial.report()
    >>> [report.density for report in reported_by(trial)]
    [1.0]
    """
    bench, member = behind(trial)
    return [Reported(one.density, cloned(one.parameters)) for one in bench.judge.waiting if one.member == member]


@dataclass(frozen=True)
class BothWays:
    """What a thing says of several members at once, and of each alone, in the same order."""

    together: list[Any]
    alone: list[Any]


def three_members(model: Model, task: Task, average: float | None = None) -> tuple[Bench, list[MemberTrial]]:
    """Three cells after seven steps of training, each with another random half of its weights."""
    bench = bench_of(Parts(model=model, task=task), (0.5,), (0, 1, 2))
    trials = [MemberTrial(bench, at) for at in range(3)]
    for trial in trials:
        half = generator("check together", trial.seed)
        trial.set_mask({name: torch.rand(part.shape, generator=half) < 0.5 for name, part in trial.mask.items()})
        trial.set_out()
    for trial in trials:
        carry_out(trial, trial.train(until=7, average=average))
    return bench, trials


def probed_both_ways(probe: Probe, model: Model, task: Task) -> BothWays:
    """What a probe finds of three members: of all at once, and of the last and the first at once; and of each alone."""
    bench, trials = three_members(model, task)
    orders = (trials, [trials[2], trials[0]])
    together = [found for some in orders for found in measure_together(bench, some, probe)]
    return BothWays(together, [probe.measure(trial.onlooker(probe.name)) for some in orders for trial in some])


def scored_both_ways(scorer: Scorer, model: Model, task: Task) -> BothWays:
    """The scores of three members, by the stacked form and by the single one."""
    bench, trials = three_members(model, task)

    def one(part: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
        return dict(scorer.scores_of(MaskView(**part)) or {})

    every = vmap(one)(stacked_view(bench, trials))
    together = [{name: part[at] for name, part in every.items()} for at in range(len(trials))]
    return BothWays(together, [dict(scorer.score(trial)) for trial in trials])


def remasked_both_ways(
    rule: MaskRule, numbers: Callable[[Trial], Mapping[str, float]], model: Model, task: Task
) -> BothWays:
    """Masks and memories of three members after each of their changes: made together, and by each alone.

    One member begins earlier than the others, and once they change in another order.
    """
    found = []
    for groups in (([0], [0, 1, 2], [2, 0, 1]), ([0], [0], [1], [2], [2], [0], [1])):
        bench, trials = three_members(model, task, average=0.5 if rule.averaged else None)
        seen = []
        for group in groups:
            mine = [trials[at] for at in group]
            requests = [trial.remask(rule, **numbers(trial)) for trial in mine]
            for part in same_changes(bench, list(zip(mine, requests, strict=True))):
                change_masks(bench, part)
            seen += [(trial.mask, trial.remembered) for trial in mine]
        found.append(seen)
    return BothWays(*found)


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
    """What a forward and a backward pass give: of a stack with a leading axis over members, of one network without."""

    outputs: list[Tensor]
    losses: Tensor
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
    carried: Mapping[str, Tensor] | None = None,
    precision: str = "fp32",
) -> Pass:
    """The modules as one stack, each on its own row of inputs, of targets and of what is drawn at random.

    `carried` are buffers that stand in for the modules' own, as (members, …); they are left alone, and what became of
    them is among the buffers of the pass.
    """
    network = Network(model, modules[0], task, precision)
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
    buffers |= cloned(dict(carried or {}))
    trained = {name: weight for name, weight in parameters.items() if weight.requires_grad}
    outputs: list[Tensor] = []
    with network.mode(training=training):
        with torch.no_grad():
            kept = {name: part.clone() for name, part in buffers.items()}
            outputs += tree_leaves(network.outputs(parameters, kept, inputs, call, chance=chance))
        losses = network.losses(parameters, buffers, inputs, targets, call, chance)
    found = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True, materialize_grads=True)
    return Pass(outputs, losses.detach(), dict(zip(trained, found, strict=True)), buffers)


def swept_alone(
    model: Model, module: nn.Module, task: Task, inputs: Tensor, points: Sequence[int]
) -> list[list[Tensor]]:
    """What a module gives at each budget as a stack of its own, as where it is judged; in evaluation mode."""
    network = Network(model, module, task)
    parameters, buffers = (
        {name: part.detach().unsqueeze(0) for name, part in kind(module)}
        for kind in (nn.Module.named_parameters, nn.Module.named_buffers)
    )
    with torch.no_grad(), network.mode(training=False):
        swept = network.swept(parameters, buffers, inputs, points)
        return [[part[0] for part in tree_leaves(outputs)] for outputs in swept]


def outputs_on_shared(model: Model, modules: Sequence[nn.Module], task: Task, inputs: Tensor) -> list[Tensor]:
    """What the modules give as one stack that reads one batch together, as where they are judged; in evaluation mode.

    Each tensor that the model returns has a leading axis over the members.
    """
    network = Network(model, modules[0], task)
    parameters, buffers = (
        {name: torch.stack([dict(kind(module))[name].detach() for module in modules]) for name, _ in kind(modules[0])}
        for kind in (nn.Module.named_parameters, nn.Module.named_buffers)
    )
    with torch.no_grad(), network.mode(training=False):
        return list(tree_leaves(network.outputs(parameters, buffers, inputs, {}, shared=True)))
