"""Which units a method dropped."""

from __future__ import annotations

from rewinding import pass_by

from ticketbench import Trial
from ticketbench_methods.mean_replacement import MeanReplacement


def dropped(trial: Trial, method: MeanReplacement) -> Trial:
    """The trial after the method, without training before it."""
    requests = method.draw(trial)
    request = next(requests)
    assert request.until is None
    pass_by(trial, request)
    assert next(requests, None) is None
    return trial
