"""Which units a method dropped."""

from __future__ import annotations

from ticketbench import Trial
from ticketbench_methods.mean_replacement import MeanReplacement


def dropped(trial: Trial, method: MeanReplacement) -> Trial:
    """The trial after the method, without training before it."""
    requests = method.draw(trial)
    assert next(requests).until is None
    trial._bench.stack.steps[0] = trial.total_steps
    trial._bench.stack.updates[0] = trial.total_steps
    assert next(requests, None) is None
    return trial
