"""Masks that several members change at once: each as if it were alone, with as much work for many as for few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench import Examples, MaskRule, Noise, Scorer, TicketError, top_mask
from ticketbench.engine import dense_gradient
from ticketbench.engine.bench import Bench
from ticketbench.engine.remask import change_masks, same_changes
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import ScoreError
from ticketbench.masks import stackable
from ticketbench.masks.stackable import by_sorting
from ticketbench.seeds import generator
from ticketbench.testing import carry_out, optimizer_of, run_method
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.fleet import bench_of, three_members
from ticketbench.testing.networks import Tiny
from ticketbench.testing.parts import Largest, Parts
from ticketbench_methods.dsr import Dsr
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_methods.snfs import Snfs
from ticketbench_scorers.magnitude import Magnitude


def members(count: int, scorer: Scorer | None = None) -> tuple[Bench, list[MemberTrial]]:
    """Cells of the small network, each with half of its weights, after three steps."""
    bench = bench_of(Parts(model=Tiny(), task=Blobs(), scorer=scorer), (0.5,), tuple(range(count)))
    trials = [MemberTrial(bench, at) for at in range(count)]
    for trial in trials:
        half = generator("half", trial.seed)
        trial.set_mask({name: torch.rand(part.shape, generator=half) < 0.5 for name, part in trial.mask.items()})
    return bench, trials


def states(trial: MemberTrial) -> dict[str, torch.Tensor]:
    """Mask, weights and slots."""
    found = {f"mask {name}": part for name, part in trial.mask.items()} | trial.parameters
    slots = optimizer_of(trial).slots
    return found | {f"{kind} {name}": part for kind, slot in slots.items() for name, part in slot.items()}


@dataclass(frozen=True)
class Swap(MaskRule):
    """Drop a share of each layer and grow as many, by a gradient and random numbers; count how often."""

    share: float = 0.5

    def examples(self):
        return Examples("batch", 8)

    def noise(self, weights):
        return {name: Noise("uniform", tuple(weight.shape), "float64") for name, weight in weights.items()}

    def memory(self, view):
        return {"changes": view.numbers["first"].long()}

    def masks(self, view):
        found = {}
        for name, mask in view.mask.items():
            dropped = (mask.sum() * self.share).long()
            kept = top_mask(view.weights[name].abs(), mask.sum() - dropped, allowed=mask)
            found[name] = kept | top_mask(view.gradient[name].abs() * view.noise[name], dropped, allowed=~kept)
        return found

    def remember(self, view, masks):
        return {"changes": view.memory["changes"] + 1}


def test_a_change_is_the_rule_applied_to_one_network():
    """Masks, weights, slots, memory and costs of the middle one of three, against the rule by hand on its own view."""
    bench, trials = three_members(Tiny(), Blobs())
    _, twins = three_members(Tiny(), Blobs())
    change_masks(bench, [(trial, trial.remask(Swap(), first=10 * trial.seat)) for trial in trials])
    twin = twins[1]
    source = twin.generator("masks")
    noise = {name: torch.rand(part.shape, generator=source, dtype=torch.float64) for name, part in twin.weights.items()}
    slope = twin.gradient(next(twin.batches(1, 8)))
    masks = {}
    for name, mask in twin.mask.items():
        dropped = int(mask.sum()) // 2
        order = twin.weights[name].abs().masked_fill(~mask, -1).flatten().argsort(descending=True, stable=True)
        kept = torch.zeros(mask.numel(), dtype=torch.bool)
        kept[order[: int(mask.sum()) - dropped]] = True
        scores = (slope[name].abs() * noise[name]).flatten().masked_fill(kept, -1)
        kept[scores.argsort(descending=True, stable=True)[:dropped]] = True
        masks[name] = kept.view(mask.shape)
    twin.set_mask(masks)
    found, expected = states(trials[1]), states(twin)
    assert found.keys() == expected.keys()
    assert all(found[name].equal(part) for name, part in expected.items())
    assert int(trials[1].remembered["changes"]) == 11
    assert trials[1].spent.flops == pytest.approx(twin.spent.flops, rel=1e-6)
    bench.stack.check()


def test_some_of_a_fleet_change_and_the_others_do_not():
    """The last and the first, in this order, with memories of their own; the one between is left as it was."""
    bench, trials = three_members(Tiny(), Blobs())
    _, twins = three_members(Tiny(), Blobs())
    asked = [(trials[at], trials[at].remask(Swap(), first=at)) for at in (2, 0)]
    assert [len(group) for group in same_changes(bench, asked)] == [2]
    change_masks(bench, asked)
    for at in (0, 2):
        carry_out(twins[at], twins[at].remask(Swap(), first=at))
    for trial, twin in zip(trials, twins, strict=True):
        found, expected = states(trial), states(twin)
        assert all(found[name].equal(part) for name, part in expected.items())
    assert [int(trial.remembered.get("changes", -1)) for trial in trials] == [1, -1, 3]


def test_those_who_wait_for_other_things_are_not_done_together():
    """Another rule, another beginning, other names of numbers, another scope, and a scorer without a stacked form."""
    bench, trials = members(4, Magnitude())
    change_masks(bench, [(trials[3], trials[3].remask(Swap(), first=0))])
    rules = [trial.remask(Swap(), first=0) for trial in trials]
    assert [len(group) for group in same_changes(bench, list(zip(trials, rules, strict=True)))] == [3, 1]
    assert len(same_changes(bench, [(trials[0], rules[0]), (trials[1], trials[1].remask(Swap(0.1), first=0))])) == 2
    assert len(same_changes(bench, [(trials[0], rules[0]), (trials[1], trials[1].remask(Swap(), second=0))])) == 2
    pruned = [trial.pruning(0.2) for trial in trials]
    assert [len(group) for group in same_changes(bench, list(zip(trials, pruned, strict=True)))] == [4]
    assert len(same_changes(bench, [(trials[0], pruned[0]), (trials[1], trials[1].pruning(0.2, "erk"))])) == 2
    bench, trials = members(2, Largest())
    assert len(same_changes(bench, [(trial, trial.pruning(0.2)) for trial in trials])) == 2


@pytest.mark.parametrize("scope", ["global", "layerwise", "erk", "er", "uniform"])
def test_pruning_together_is_pruning_alone(scope: str):
    """Three members, each to a density of its own."""
    bench, trials = members(3, Magnitude())
    _, twins = members(3, Magnitude())
    change_masks(bench, [(trial, trial.pruning(0.1 + 0.1 * trial.seat, scope)) for trial in trials])
    for trial, twin in zip(trials, twins, strict=True):
        twin.prune(0.1 + 0.1 * twin.seat, scope)
        assert all(part.equal(twin.mask[name]) for name, part in trial.mask.items())
        assert all(part.equal(twin.weights[name]) for name, part in trial.weights.items())


def test_a_member_that_cannot_be_pruned_is_the_only_one_that_fails():
    """One has scores that are not finite, one has fewer weights than it is to keep; the third is pruned."""
    bench, trials = members(3, Magnitude())
    trials[0].set_weights({name: torch.full_like(part, torch.nan) for name, part in trials[0].weights.items()})
    caught: dict[int, Exception] = {}

    @contextmanager
    def alone(trial: MemberTrial):
        try:
            yield
        except TicketError as error:
            caught[trial.seat] = error

    change_masks(bench, [(trial, trial.pruning((0.2, 0.9, 0.2)[trial.seat])) for trial in trials], alone)
    assert isinstance(caught[0], ScoreError)
    assert "only" in str(caught[1])
    assert set(caught) == {0, 1}
    assert sum(int(part.sum()) for part in trials[2].mask.values()) == 18


@dataclass(frozen=True)
class Spoiled(MaskRule):
    """Breaks a promise."""

    how: str

    def masks(self, view):
        masks = dict(view.mask)
        if self.how == "missing":
            masks.popitem()
        if self.how == "shape":
            return {name: part.flatten() for name, part in masks.items()}
        if self.how == "kind":
            return {name: part.float() for name, part in masks.items()}
        if self.how == "value":
            return {name: part if int(part.sum()) else ~part for name, part in masks.items()}
        return masks


class NeedsAverage(Spoiled):
    """Reads what is not kept."""

    averaged = True


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Spoiled("missing"), "makes no mask for '3.weight'"),
        (Spoiled("shape"), r"must be a bool tensor of shape \(10, 6\), not torch.bool of \(60,\)"),
        (Spoiled("kind"), r"must be a bool tensor of shape \(10, 6\), not torch.float32"),
        (Spoiled("value"), "item"),
        (NeedsAverage(""), r"keep one by train\(average=0.9\)"),
    ],
    ids=["missing", "shape", "kind", "value", "average"],
)
def test_what_a_rule_does_wrong_is_said(rule: MaskRule, says: str):
    """And nothing has changed."""
    bench, trials = members(2)
    before = [trial.mask for trial in trials]
    with pytest.raises((TicketError, RuntimeError), match=says):
        change_masks(bench, [(trial, trial.remask(rule)) for trial in trials])
    for trial, mask in zip(trials, before, strict=True):
        assert all(part.equal(mask[name]) for name, part in trial.mask.items())


def test_a_request_is_looked_at_when_it_is_made():
    """Something that is no rule, no density, no scope, no scorer."""
    _, (trial,) = members(1)
    with pytest.raises(TicketError, match="a subclass of `MaskRule`"):
        trial.remask(Magnitude())
    with pytest.raises(TicketError, match="names no scorer"):
        trial.pruning(0.5)
    _, (trial,) = members(1, Magnitude())
    with pytest.raises(TicketError, match="outside"):
        trial.pruning(1.5)
    with pytest.raises(Exception, match="cannot prune in the scope 'layer'"):
        trial.pruning(0.5, "layer")


class Dispatched(TorchDispatchMode):
    """Counts the operations that reach the device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[str(function)] += 1
        return function(*args, **(kwargs or {}))


def dispatched(count: int, numbers: Mapping[str, float], rule: MaskRule | None, averaged: bool = False) -> Counter[str]:
    """The operations of a change of as many members' masks, the second under its rule."""
    bench, trials = members(count, Magnitude())
    for trial in trials:
        carry_out(trial, trial.train(until=3, average=0.9 if averaged else None))
    for _ in range(2):
        asked = [(trial, trial.remask(rule, **numbers) if rule else trial.pruning(0.3)) for trial in trials]
        with Dispatched() as mode:
            change_masks(bench, asked)
    return mode.counts


A_NUMBER_A_PLACE = {"aten.rand.generator": 2}
A_BATCH = {"aten.empty.memory_format": 1, "aten.randperm.generator": 1, "aten.cat.default": 1, "aten.slice.Tensor": 2}
"""What a member draws: uniform numbers for two layers; the order of its examples, of which it takes the first."""


@pytest.mark.parametrize(
    ("rule", "numbers", "averaged", "draws"),
    [
        (Set().rule(), {"fraction": 0.3}, False, A_NUMBER_A_PLACE),
        (Rigl().rule(), {"fraction": 0.3}, False, A_BATCH),
        (Rigl(gradient="slice", examples=20).rule(), {"fraction": 0.3}, False, {}),
        (Snfs(redistribution="momentum").rule(), {"fraction": 0.3}, True, {}),
        (Dsr(threshold=0.1).rule(), {}, False, A_NUMBER_A_PLACE),
        (None, {}, False, {}),
    ],
    ids=["set", "rigl", "rigl on a slice", "snfs", "dsr", "pruning"],
)
def test_the_work_of_a_change_does_not_grow_with_the_members(
    monkeypatch, rule: MaskRule | None, numbers: dict[str, float], averaged: bool, draws: dict[str, int]
):
    """As on an accelerator: 3 and 12 members take the same operations, but for those that draw random numbers."""
    monkeypatch.setattr(stackable, "kth_largest", by_sorting)
    monkeypatch.setattr(dense_gradient, "members_at_once", lambda bench, size: len(bench.stack))
    few, many = dispatched(3, numbers, rule, averaged), dispatched(12, numbers, rule, averaged)
    assert sum(few.values()) > 50
    assert not few - many
    assert many - few == Counter({name: 9 * count for name, count in draws.items()})


def test_a_fleet_is_asked_once_for_all_its_members(monkeypatch):
    """Four cells of RigL with updates at 4, 8 … 28 of 40 steps: seven changes, each of four members."""
    from ticketbench.engine import fleet_run

    sizes = []

    def counted(bench, group, alone):
        sizes.append(len(group))
        change_masks(bench, group, alone)

    monkeypatch.setattr(fleet_run, "change_masks", counted)
    outcomes = run_method(Rigl(every=4), Magnitude(), densities=(0.5, 0.2), seeds=(0, 1))
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    assert sizes == [4] * 7


@pytest.mark.parametrize("method", [Set(), Rigl(), Snfs(redistribution="momentum"), Dsr(threshold=0.1)])
def test_a_network_that_is_not_finite_disturbs_no_other(method):
    """Its mask is whatever it is; those of its neighbours are theirs alone."""
    average = 0.9 if isinstance(method, Snfs) else None
    numbers = {} if isinstance(method, Dsr) else {"fraction": 0.3}
    bench, trials = three_members(Tiny(), Blobs(), average)
    _, twins = three_members(Tiny(), Blobs(), average)
    trials[1].set_weights({name: torch.full_like(part, torch.nan) for name, part in trials[1].parameters.items()})
    if average:
        for part in bench.stack.averages.values():
            part[1] = torch.nan
    change_masks(bench, [(trial, trial.remask(method.rule(), **numbers)) for trial in trials])
    for at in (0, 2):
        carry_out(twins[at], twins[at].remask(method.rule(), **numbers))
        assert all(part.equal(twins[at].mask[name]) for name, part in trials[at].mask.items())
        assert sum(int(part.sum()) for part in trials[at].mask.values()) == sum(
            int(part.sum()) for part in three_members(Tiny(), Blobs())[1][at].mask.values()
        )
