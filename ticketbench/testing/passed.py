"""What a check found right, and what it raises where it could not look."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.errors import TicketbenchError


@dataclass(frozen=True)
class Passed:
    """A plugin's thing that kept its contract. One that did not is an `AssertionError`, with what was wrong."""

    said: str
    """What was found right, and on what."""
    notes: tuple[str, ...] = ()
    """What is worth a look, though no contract forbids it."""


class UncheckedError(TicketbenchError):
    """A thing that refuses everything the check has to try it on: it was neither found right nor wrong."""
