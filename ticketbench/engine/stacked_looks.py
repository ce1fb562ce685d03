"""Probes that look at several members at once, where they have a form for that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ticketbench.engine.bench import Bench
from ticketbench.engine.dense_gradient import dense_gradient
from ticketbench.engine.state import State, index_of, member_rows
from ticketbench.engine.trial import MemberTrial
from ticketbench.errors import TicketError
from ticketbench.plugin.contracts import Points, Probe
from ticketbench.plugin.mask_rule import Examples
from ticketbench.plugin.stacked_forms import has_form
from ticketbench.plugin.trial import Trial
from ticketbench.plugin.trial_stack import TrialStack

Measurement = Mapping[str, float | Points]
Guard = Callable[[MemberTrial], AbstractContextManager[Any]]
"""Whatever is raised in it is this member's."""


class MemberStack(TrialStack):
    """Several members of a fleet, for one who only looks."""

    def __init__(self, bench: Bench, trials: Sequence[MemberTrial]) -> None:
        self._bench = bench
        self._trials = tuple(trials)
        self._index_m = index_of([trial.seat for trial in trials], len(bench.stack), bench.device)

    @override
    def __len__(self) -> int:
        return len(self._trials)

    @property
    @override
    def trials(self) -> Sequence[Trial]:
        return self._trials

    @property
    @override
    def weights(self) -> State:
        return member_rows(
            {name: self._bench.stack.parameters[name] for name in self._bench.stack.masks}, self._index_m
        )

    @property
    @override
    def parameters(self) -> State:
        return member_rows(self._bench.stack.parameters, self._index_m)

    @property
    @override
    def mask(self) -> State:
        return member_rows(self._bench.stack.masks, self._index_m)

    @property
    @override
    def origin(self) -> State:
        starts = [trial.start for trial in self._trials]
        return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}

    @override
    def gradient(self, size: int | None = None, at: Mapping[str, Tensor] | None = None) -> State:
        return dense_gradient(self._bench, self._trials, Examples("batch", size), at)


def look_at_step(bench: Bench, trials: Sequence[MemberTrial], alone: Guard) -> None:
    """Let the probes of several members measure that look at this step of their training."""
    look_together(
        bench,
        trials,
        lambda trial, probe: trial.step in probe.steps(trial.total_steps),
        lambda trial, name, found: trial.looks.at_step(name, "", trial.trainings, trial.step, found),
        alone,
    )


def look_at_masks(bench: Bench, trials: Sequence[MemberTrial], when: str, alone: Guard) -> None:
    """Let the probes of several members measure that look before and after every change of the mask."""
    look_together(
        bench,
        trials,
        lambda trial, probe: "masked" in probe.moments,
        lambda trial, name, found: trial.looks.at_step(name, when, trial.trainings, trial.step, found),
        alone,
    )


def look_together(
    bench: Bench,
    trials: Sequence[MemberTrial],
    looks: Callable[[MemberTrial, Probe], bool],
    store: Callable[[MemberTrial, str, Measurement], None],
    alone: Guard,
) -> None:
    """Let every probe measure that looks, all of its members at once if it has a form for that.

    What a stacked form raises is nobody's fault yet: its members are then measured one by one.
    """
    for probe in distinct([probe for trial in trials for probe in trial.probes]):
        mine = [trial for trial in trials if probe in trial.probes and looks(trial, probe)]
        several = len(mine) > 1 and has_form(probe, "measure_stacked", "measure")
        if not (several and measured_at_once(bench, mine, probe, store)):
            for trial in mine:
                with alone(trial):
                    trial.let_measure(probe, partial(store, trial))


def measured_at_once(
    bench: Bench, trials: Sequence[MemberTrial], probe: Probe, store: Callable[[MemberTrial, str, Measurement], None]
) -> bool:
    """Let a probe measure several members at once; False where it cannot. Its time is nobody's."""
    start = time.perf_counter()
    try:
        every = measure_together(bench, trials, probe)
    except torch.OutOfMemoryError:
        raise
    except Exception:
        return False
    for trial, found in zip(trials, every, strict=True):
        store(trial, probe.name, found)
    share = (time.perf_counter() - start) / len(trials)
    for trial in trials:
        trial.spent.looking += share
    return True


def measure_together(bench: Bench, trials: Sequence[MemberTrial], probe: Probe) -> Sequence[Measurement]:
    """What a probe's stacked form finds of some members, with random numbers of its own."""
    with torch.random.fork_rng(devices=[]):
        found = probe.measure_stacked(MemberStack(bench, [trial.onlooker(probe.name) for trial in trials]))
    if found is None or len(found) != len(trials):
        many = "nothing" if found is None else f"{len(found)} tables"
        raise TicketError(f"measure_stacked of probe '{probe.name}' returns {many}; it needs one for each member")
    return found


def distinct(probes: Sequence[Probe]) -> list[Probe]:
    """Each probe once, in order."""
    found: list[Probe] = []
    for probe in probes:
        if probe not in found:
            found.append(probe)
    return found
