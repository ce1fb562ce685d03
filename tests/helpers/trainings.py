"""The trainings of a method that is led by hand."""

from __future__ import annotations

from collections.abc import Iterator

from ticketbench import Method, Train, Trial
from ticketbench.testing import carry_out


def trainings(method: Method, trial: Trial) -> Iterator[Train]:
    """What a method asks to be trained, in order; the changes of its mask that it asks for are made at once."""
    for request in method.draw(trial) or ():
        if isinstance(request, Train):
            yield request
        else:
            carry_out(trial, request)
