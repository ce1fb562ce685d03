"""What the host does in a step: as much for twelve members as for three, and it never waits for the device."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_cells import mixed_bench, mixed_cells
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench.engine.rehearsal import Rehearsal
from ticketbench.engine.stepper import Stepper
from ticketbench.plugin.request import Train

WAITS = ("_local_scalar_dense", "nonzero", "item", "masked_select", "unique")


class Launches(TorchDispatchMode):
    """Counts the operations that are launched, and refuses those that wait for a value."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        assert not any(word in name for word in WAITS), f"the step waits for a value: {name}"
        if "index" in name and "index_select" not in name:
            assert not any(
                isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in args[1] if part is not None
            ), "indexing by a mask waits for the number of its places"
        self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def stepper_of(folder: Path, optimizer: str, members: int, average: float | None) -> Stepper:
    """A stepper of some of the cells, with everything ready for steps to come."""
    bench = mixed_bench(mixed_cells(folder, optimizer)[:members], Rehearsal)
    seats = range(members)
    requests = [Train(average=average)] * members
    stepper, courses, _ = bench.steppers.for_members(seats, requests, [bench.course(at) for at in seats])
    assert isinstance(stepper, Stepper)
    stepper.enter(bench.stage.data, courses)
    assert stepper.tables is not None
    stepper.tables.prepare(bench.stack.steps)
    return stepper


@pytest.mark.parametrize("optimizer", ["momentum", "clipped adam"])
def test_a_step_launches_as_much_for_twelve_members_as_for_three(tmp_path: Path, optimizer: str):
    """Of each operation the same number; and none that a capture would refuse."""
    found = []
    for members in (3, 12):
        stepper = stepper_of(tmp_path, optimizer, members, None)
        with Launches() as launches:
            stepper.advance()
        found.append(launches.counts)
    assert found[0] == found[1]
    assert found[0].total() > 40


def test_the_watch_notices_who_waits():
    """A value, places of a mask, and indexing by one."""
    x = torch.arange(4.0)
    for waits in (lambda: float(x.sum()), lambda: (x > 1).nonzero(), lambda: x[x > 1]):
        with pytest.raises(AssertionError, match="waits"), Launches():
            waits()
