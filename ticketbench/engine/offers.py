"""Tickets drawn on the way that are trained where the protocol trains, as points of their cells' curves."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.engine.state import State
from ticketbench.plugin.trial import Snapshot


@dataclass(frozen=True)
class Offer:
    """A ticket drawn on the way that waits to be trained elsewhere."""

    member: int
    density: float
    mask: State
    start: Snapshot


@dataclass(frozen=True)
class Arrived:
    """An offer at the stage that it was waiting for, with the freshly built network that it moves into."""

    offer: Offer
    fresh: tuple[State, State]
