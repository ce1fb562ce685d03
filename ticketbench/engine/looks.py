"""What the probes of a cell have found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ticketbench.plugin.contracts import Points
from ticketbench.store.schema import PROBE_SPLIT, CurvePoint, Finding

AT_THE_END = ("trained", "judged")
"""Moments that a curve's name does not say, as they come once and last."""


@dataclass
class Looks:
    """What a cell's probes have found so far, and what its method has noted."""

    findings: list[Finding] = field(default_factory=list)
    """Single numbers, and what the method noted."""
    points: list[CurvePoint] = field(default_factory=list)
    """Numbers along training steps or along whatever the probe says."""

    def at_moment(self, probe: str, moment: str, training: int, found: Mapping[str, float | Points]) -> None:
        """What a probe found at a moment of the cell's life."""
        for name, value in found.items():
            if isinstance(value, Points):
                metric = f"{probe}/{name}" + (f" {moment}" if moment not in AT_THE_END else "")
                self._add(metric, training, value)
            else:
                self.findings.append(Finding(probe, moment, name, float(value)))

    def at_step(self, probe: str, when: str, training: int, step: int, found: Mapping[str, float | Points]) -> None:
        """What a probe found at a step of a training; `when` says more where there are several looks at one step."""
        for name, value in found.items():
            metric = f"{probe}/{name}" + (f" {when}" if when else "")
            if isinstance(value, Points):
                self._add(f"{metric} {step}", training, value)
            else:
                self._add(metric, training, Points("step", ((step, float(value)),)))

    def _add(self, metric: str, training: int, found: Points) -> None:
        where = (PROBE_SPLIT, "", metric, training, found.x_name)
        self.points.extend(CurvePoint(*where, float(x), float(y)) for x, y in found.values)
