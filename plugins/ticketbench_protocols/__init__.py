"""Protocols: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Protocol, hookimpl
from ticketbench_protocols.elsewhere import LinearProbe, OutOfDistribution
from ticketbench_protocols.extrapolation import Extrapolation
from ticketbench_protocols.same import Same
from ticketbench_protocols.transfer import Halves, Optimizers, OtherDataset, OtherLabels


@hookimpl
def ticketbench_protocols() -> Sequence[Protocol]:
    """The built-in protocols."""
    return [
        Same(),
        Extrapolation(),
        OutOfDistribution(),
        LinearProbe(),
        Halves(),
        OtherLabels(),
        Optimizers(),
        OtherDataset(),
    ]
