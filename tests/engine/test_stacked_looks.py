"""Probes that look at several members at once, in fleets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench import Probe
from ticketbench.engine import dense_gradient
from ticketbench.engine.stacked_looks import MemberStack, measure_together
from ticketbench.testing import run_method
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.fleet import bench_of, three_members, trial_at
from ticketbench.testing.networks import Tiny
from ticketbench.testing.parts import Parts, Untrained
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.rigl import Rigl
from ticketbench_probes.distance import Distance
from ticketbench_probes.gradient_flow import GradientFlow
from ticketbench_scorers.magnitude import Magnitude


@dataclass(frozen=True)
class Watch(Probe):
    """Counts how it was asked, and fails where it is told to."""

    name = "watch"
    summary = "for tests"
    moments = ("masked",)

    asked: list[int] = field(default_factory=list)
    fails: tuple[tuple[int, int], ...] = ()
    """Seeds and steps."""
    together: bool = True

    def steps(self, total):
        return (0, total // 2, total)

    def measure(self, trial):
        self.asked.append(1)
        return {"kept": self.number(trial.seed, trial.step, trial.mask)}

    def measure_stacked(self, stack):
        if not self.together:
            raise ValueError("not together")
        self.asked.append(len(stack))
        masks = [{name: part[at] for name, part in stack.mask.items()} for at in range(len(stack))]
        found = [self.number(one.seed, one.step, mask) for one, mask in zip(stack.trials, masks, strict=True)]
        return [{"kept": number} for number in found]

    def number(self, seed, step, mask):
        if (seed, step) in self.fails:
            raise ValueError(f"I looked at {seed}")
        return float(sum(int(part.sum()) for part in mask.values()))


def kept(outcome, when: str = "") -> list[tuple[float, float]]:
    """What the watch found along the steps."""
    return [(point[5], point[6]) for point in outcome.curves if point[2] == f"watch/kept{when}"]


def test_a_fleet_is_looked_at_together_at_steps_and_around_masks():
    """Four cells: at 0, 20 and 40 of 40 steps, and before and after each of two updates, at 15 and 20."""
    watch = Watch()
    fleet = run_method(Gradual(every=5), Magnitude(), probes=[watch], densities=(0.5,), seeds=(0, 1, 2, 3))
    assert watch.asked == [4] * 7
    for outcome in fleet:
        assert outcome.status == "ok", outcome.reason
        assert [step for step, _ in kept(outcome)] == [0, 20, 40]
        assert [step for step, _ in kept(outcome, " before")] == [step for step, _ in kept(outcome, " after")]
        before, after = kept(outcome, " before"), kept(outcome, " after")
        assert [count for _, count in before] == [90.0, *(count for _, count in after[:-1])]
        assert after[-1][1] == 45.0
        assert kept(outcome)[-1] == (40, 45.0)


def test_one_alone_is_asked_alone():
    """The single form says it."""
    watch = Watch()
    (outcome,) = run_method(Gradual(every=5), Magnitude(), probes=[watch])
    assert set(watch.asked) == {1}
    assert kept(outcome)[-1] == (40, 45.0)


def test_what_fails_together_is_measured_one_by_one_and_ends_its_own_cell_alone():
    """The cell of seed 1 fails halfway; of the others nothing is missing. Where nothing goes together all is there."""
    for watch in (Watch(fails=((1, 20),)), Watch(fails=((1, 20),), together=False)):
        outcomes = run_method(Untrained(), probes=[watch], densities=(1.0,), seeds=(0, 1, 2))
        assert [outcome.status for outcome in outcomes] == ["ok", "failed", "ok"]
        assert outcomes[1].reason == "ValueError: I looked at 1"
        for outcome in (outcomes[0], outcomes[2]):
            assert kept(outcome) == [(0, 90.0), (20, 90.0), (40, 90.0)]


@pytest.mark.parametrize("probe", [GradientFlow(every=10, examples=30), Distance(every=10, per_tensor=True)])
def test_what_is_found_together_is_what_each_finds(probe: Probe):
    """RigL in a fleet of four: every number of every look, against the same fleet looked at one by one."""

    class Single(type(probe)):
        """The same probe without its stacked form."""

        def measure(self, trial):
            return super().measure(trial)

    alone = Single(**vars(probe))
    fleets = [
        run_method(Rigl(every=8), Magnitude(), probes=[one], densities=(0.5, 0.3), seeds=(0, 1))
        for one in (probe, alone)
    ]
    for together, single in zip(*fleets, strict=True):
        assert together.status == single.status == "ok"
        found, expected = ([point for point in one.curves if point[0] == "probe"] for one in (together, single))
        assert [point[:6] for point in found] == [point[:6] for point in expected]
        assert [point[6] for point in found] == pytest.approx([point[6] for point in expected], rel=1e-4, abs=1e-9)
        assert len(found) > 10
        assert all(part.equal(single.weights[name]) for name, part in together.weights.items())


def test_a_view_hands_out_copies():
    """Nothing that is done to it changes a cell, and a part of a fleet has its rows in its own order."""
    bench, trials = three_members(Tiny(), Blobs())
    before = [trial.parameters for trial in trials]
    stack = MemberStack(bench, [trials[2], trials[0]])
    for state in (stack.weights, stack.parameters, stack.mask, stack.origin):
        for part in state.values():
            part.zero_()
    assert len(stack) == 2
    for row, at in enumerate((2, 0)):
        for name, part in before[at].items():
            assert stack.parameters[name][row].equal(part)
            assert stack.origin[name][row].equal(trials[at].origin[name])
            assert not stack.origin[name][row].equal(part)


class Dispatched(TorchDispatchMode):
    """Counts the operations that reach the device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[str(function)] += 1
        return function(*args, **(kwargs or {}))


def test_the_work_of_a_look_does_not_grow_with_the_members(monkeypatch):
    """As on an accelerator: 3 and 12 members take the same operations, but for the order of each member's examples."""
    monkeypatch.setattr(dense_gradient, "members_at_once", lambda bench, size: len(bench.stack))
    counts = []
    for members in (3, 12):
        bench = bench_of(Parts(), (0.5,), tuple(range(members)))
        trials = [trial_at(bench, at) for at in range(members)]
        for trial in trials:
            trial.set_out()
        with Dispatched() as mode:
            for probe in (GradientFlow(examples=20, biases=True), Distance(per_tensor=True)):
                measure_together(bench, trials, probe)
        counts.append(mode.counts)
    draws = {"empty.memory_format": 1, "randperm.generator": 1, "cat.default": 1, "slice.Tensor": 2}
    assert not counts[0] - counts[1]
    assert counts[1] - counts[0] == Counter({f"aten.{name}": 9 * count for name, count in draws.items()})
