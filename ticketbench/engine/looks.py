"""Looks: when a cell's probes look at it, and what they find. None of them disturbs it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ticketbench.plugin.contracts import Points, Probe
from ticketbench.store.schema import PROBE_SPLIT, CurvePoint, Finding

if TYPE_CHECKING:
    from ticketbench.engine.trial import Trial

AT_THE_END = ("trained", "judged")


@dataclass
class Looks:
    """What the probes of a cell have found so far."""

    findings: list[Finding] = field(default_factory=list)
    """Single numbers, and what the method noted."""
    points: list[CurvePoint] = field(default_factory=list)
    """Numbers along training steps or along whatever the probe says."""

    def at(self, trial: Trial, moment: str, label: str) -> None:
        """Let the probes of a moment look; a number is stored under the label."""
        for probe in trial.probes:
            if moment in probe.moments:
                self._look(trial, probe, label, label not in AT_THE_END)

    def at_step(self, trial: Trial) -> None:
        """Let the probes look that look at this step of the training."""
        for probe in trial.probes:
            if trial.step in probe.steps(trial.total_steps):
                self._look(trial, probe, "", True, stepwise=True)

    def at_mask(self, trial: Trial, when: str) -> None:
        """Let the probes look that look before and after every change of the mask."""
        for probe in trial.probes:
            if "masked" in probe.moments:
                self._look(trial, probe, when, True, stepwise=True)

    def _look(self, trial: Trial, probe: Probe, label: str, say: bool, stepwise: bool = False) -> None:
        start = time.perf_counter()
        for name, value in probe.measure(trial.onlooker(probe.name)).items():
            metric = f"{probe.name}/{name}" + (f" {label}" if label and say else "")
            if isinstance(value, Points):
                named = f"{metric} {trial.step}" if stepwise else metric
                self._add(trial, named, value)
            elif stepwise:
                self._add(trial, metric, Points("step", ((trial.step, float(value)),)))
            else:
                self.findings.append(Finding(probe.name, label, name, float(value)))
        trial.spent.looking += time.perf_counter() - start

    def _add(self, trial: Trial, metric: str, found: Points) -> None:
        where = (PROBE_SPLIT, "", metric, trial.trainings, found.x_name)
        self.points.extend(CurvePoint(*where, float(x), float(y)) for x, y in found.values)
