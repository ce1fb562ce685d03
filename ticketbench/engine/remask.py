"""Changes of masks that several members make together, in one pass over the stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.engine.bench import Bench
from ticketbench.engine.dense_gradient import dense_gradient
from ticketbench.engine.regimes import numbers
from ticketbench.engine.stacked_looks import look_at_masks
from ticketbench.engine.state import State, index_of, member_of, member_rows
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import ScoreError, TicketError
from ticketbench.masks.scopes import kept_count
from ticketbench.masks.stackable import best_left, mask_count
from ticketbench.plugin.mask_rule import MaskRule, MaskView
from ticketbench.plugin.request import Prune, Remask
from ticketbench.plugin.stacked_forms import has_form

Alone = Callable[[MemberTrial], AbstractContextManager[Any]]
"""A guard for what one member does alone: what is raised in it is that member's."""
WaitsForMask = tuple[MemberTrial, Remask | Prune]
StackedFields = dict[str, State]
"""The fields of stacked views, by name."""


def unguarded(trial: MemberTrial) -> AbstractContextManager[Any]:
    """What is raised is raised."""
    return nullcontext()


def same_changes(bench: Bench, waiting: Sequence[WaitsForMask]) -> list[list[WaitsForMask]]:
    """Those that can be done together: equal rules under one regime, or one scorer and scope."""
    groups: list[tuple[tuple[Any, ...], list[WaitsForMask]]] = []
    for asked in waiting:
        key = kind_of(bench, *asked)
        for known, members in groups:
            if known == key:
                members.append(asked)
                break
        else:
            groups.append((key, [asked]))
    return [members for _, members in groups]


def kind_of(bench: Bench, trial: MemberTrial, request: Remask | Prune) -> tuple[Any, ...]:
    """What is equal for those who are done together."""
    regime = id(bench.stack.regimes[trial.seat])  # equal ones are one object
    if isinstance(request, Remask):
        goes_on = bench.memories.goes_on(trial.seat, request.rule)
        return "rule", request.rule, tuple(request.numbers), goes_on, regime
    if has_form(trial.scorer, "scores_of", "score"):
        return "scorer", trial.scorer, request.scope, regime
    return "alone", trial.seat


def change_masks(bench: Bench, group: Sequence[WaitsForMask], alone: Alone = unguarded) -> None:
    """Do what a group of `same_changes` members waits for."""
    trials = [trial for trial, _ in group]
    pruned = [(trial, request) for trial, request in group if isinstance(request, Prune)]
    if not pruned:
        remask(bench, trials, [request for _, request in group if isinstance(request, Remask)], alone)
    elif has_form(trials[0].scorer, "scores_of", "score"):
        prune(bench, pruned, alone)
    else:
        for trial, request in pruned:
            with alone(trial):
                trial.prune(request.density, request.scope)


# -- by a rule -------------------------------------------------------------------------------------------------


def remask(bench: Bench, trials: Sequence[MemberTrial], requests: Sequence[Remask], alone: Alone) -> None:
    """Change the masks of members by one rule."""
    rule, members = requests[0].rule, [trial.seat for trial in trials]
    parts = stacked_view(bench, trials)
    index_m = index_of(members, len(bench.stack), bench.device)
    if rule.averaged:
        if not bench.stack.averages:
            raise TicketError(f"{name_of(rule)} reads an average of the gradient: keep one by train(average=0.9)")
        parts["average"] = member_rows(bench.stack.averages, index_m)
    names = list(requests[0].numbers)
    if names:
        told = [[float(request.numbers[name]) for name in names] for request in requests]
        columns = torch.tensor(told, dtype=torch.float64, device=bench.device).unbind(1)
        parts["numbers"] = dict(zip(names, columns, strict=True))
    examples = rule.examples()
    if examples is not None:
        parts["gradient"] = dense_gradient(bench, trials, examples)
    parts["noise"] = drawn_noise(rule, trials, member_of(parts["weights"], 0), bench.device)
    if bench.memories.goes_on(members[0], rule):
        parts["memory"] = bench.memories.rows(rule, members, bench.device)
    else:
        parts["memory"] = vmap(lambda part: dict(rule.memory(MaskView(**part))))(parts)

    def one(part: StackedFields) -> tuple[State, State]:
        view = MaskView(**part)
        found = dict(rule.masks(view))
        check_masks(rule, view, found)
        return found, dict(rule.remember(view, found))

    masks, memory = vmap(one)(parts)
    put_masks(bench, trials, masks, alone)
    bench.memories.put(rule, members, memory)


def stacked_view(bench: Bench, trials: Sequence[MemberTrial]) -> StackedFields:
    """What there is to see of every member without asking for more, as copies with a leading axis."""
    members = [trial.seat for trial in trials]
    index_m = index_of(members, len(bench.stack), bench.device)
    weights = {name: bench.stack.parameters[name] for name in bench.stack.masks}
    return {"weights": member_rows(weights, index_m), "mask": member_rows(bench.stack.masks, index_m)}


def drawn_noise(rule: MaskRule, trials: Sequence[MemberTrial], weights: State, device: torch.device) -> State:
    """The random numbers of a rule, each member's from its own generator, moved to the device together."""
    noises = rule.noise(weights)
    drawn = []
    for trial in trials if noises else ():
        source = trial.generator(rule.stream)
        drawn.append([numbers(noise, source) for noise in noises.values()])
    return {name: torch.stack([row[at] for row in drawn]).to(device) for at, name in enumerate(noises)}


def check_masks(rule: MaskRule, view: MaskView, found: Mapping[str, Tensor]) -> None:
    """A bool tensor for every prunable weight, or a `TicketError` says what is wrong."""
    for name, mask in view.mask.items():
        if name not in found:
            raise TicketError(f"{name_of(rule)} makes no mask for '{name}': it must make one for every prunable weight")
        if found[name].dtype != torch.bool or found[name].shape != mask.shape:
            raise TicketError(
                f"{name_of(rule)}: the mask of '{name}' must be a bool tensor of shape {tuple(mask.shape)}, not "
                f"{found[name].dtype} of {tuple(found[name].shape)}"
            )


def name_of(rule: MaskRule) -> str:
    """A rule in a message."""
    return f"the mask rule {type(rule).__name__}"


def put_masks(bench: Bench, trials: Sequence[MemberTrial], masks: State, alone: Alone) -> None:
    """Set the masks of several members, and let their probes look before and after."""
    look_at_masks(bench, trials, "before", alone)
    bench.stack.set_masks([trial.seat for trial in trials], masks)
    look_at_masks(bench, trials, "after", alone)


# -- by a scorer -----------------------------------------------------------------------------------------------


def prune(bench: Bench, asked: Sequence[tuple[MemberTrial, Prune]], alone: Alone) -> None:
    """Prune members by one scorer within one scope, each to its own density.

    Where scores are not finite, or too few weights are left, a member is pruned alone, which says what is wrong.
    """
    trials, scope, scorer = [trial for trial, _ in asked], asked[0][1].scope, asked[0][0].scorer
    counts = [kept_count(request.density, trial.total_weights) for trial, request in asked]
    parts = stacked_view(bench, trials)

    def scored(part: StackedFields) -> tuple[State, Tensor, Tensor]:
        view = MaskView(**part)
        found = dict(scorer.scores_of(view))  # type: ignore[union-attr]
        check_shapes(found, view.mask)
        fine = [(found[name].isfinite() | ~mask).all() for name, mask in view.mask.items()]
        return found, torch.stack(fine).all(), torch.stack([mask_count(mask) for mask in view.mask.values()]).sum()

    scores, fine, alive = vmap(scored)(parts)
    sound, left = torch.stack([fine.long(), alive]).tolist()
    wrong = [not good or count > many for good, many, count in zip(sound, left, counts, strict=True)]
    for (trial, request), odd in zip(asked, wrong, strict=True):
        if odd:
            with alone(trial):
                trial.prune(request.density, request.scope)
    if not any(wrong):
        kept = torch.tensor(counts, device=bench.device)
        masks = vmap(lambda found, mask, count: best_left(found, mask, count, scope))(scores, parts["mask"], kept)
        put_masks(bench, trials, masks, alone)
    elif not all(wrong):
        prune(bench, [one for one, odd in zip(asked, wrong, strict=True) if not odd], alone)


def check_shapes(scores: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> None:
    """A score for every prunable weight, of its shape, or a `ScoreError` says which has none."""
    for name, part in mask.items():
        if name not in scores or scores[name].shape != part.shape:
            found = f"of shape {tuple(scores[name].shape)}" if name in scores else "missing"
            raise ScoreError(f"the score of '{name}' is {found}; its weight has shape {tuple(part.shape)}")
