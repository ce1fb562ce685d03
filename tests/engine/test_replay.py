"""Steps are recorded once and replayed by the longest recording that fits; what cannot be recorded is launched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from ticketbench.engine.rehearsal import Rehearsal
from ticketbench.engine.replay import SEVERAL, WARM_STEPS, Replays


class Noted:
    """A recorder that notes what it is asked for; its recordings count."""

    name = "noted"
    spoils = False

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        self.lengths: list[int] = []
        self.replayed: list[int] = []

    def record(self, step: Callable[[], None], times: int, held: Sequence[Tensor]) -> Callable[[], None]:
        if self.failure:
            raise RuntimeError(self.failure)
        self.lengths.append(times)
        return lambda: self.replayed.append(times)

    def close(self) -> None:
        self.lengths.clear()


def test_the_longest_recording_that_fits_is_replayed():
    """Three steps warm up; of the other 37 there are two of sixteen and five single ones, recorded once each."""
    launched: list[int] = []
    recorder = Noted()
    replays = Replays(lambda: launched.append(1), recorder, list)
    replays.run(WARM_STEPS)
    replays.run(2 * SEVERAL + 5)
    replays.run(SEVERAL)
    assert len(launched) == WARM_STEPS
    assert recorder.lengths == [SEVERAL, 1]
    assert recorder.replayed == [SEVERAL, SEVERAL, *[1] * 5, SEVERAL]
    assert (replays.taken, replays.how) == (WARM_STEPS + 3 * SEVERAL + 5, "noted")


def test_what_cannot_be_recorded_is_launched_and_the_record_says_why():
    """Every step is taken; the first line of what went wrong is kept."""
    launched: list[int] = []
    replays = Replays(lambda: launched.append(1), Noted("operation not permitted\nand more"), list)
    replays.run(10)
    assert (len(launched), replays.how) == (10, "eager (operation not permitted)")


def test_a_lack_of_memory_while_recording_is_no_reason_to_go_on():
    """It is raised, so that the fleet becomes smaller."""

    class Full(Noted):
        def record(self, step: Callable[[], None], times: int, held: Sequence[Tensor]) -> Callable[[], None]:
            raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        Replays(lambda: None, Full(), list).run(10)


def test_a_rehearsal_replays_operations_on_the_same_memory():
    """y ← y + 2x, recorded without computing; other values in x count, another tensor in its place does not."""
    x, y = torch.ones(3), torch.zeros(3)
    replay = Rehearsal().record(lambda: y.add_(2 * x), 2, [x, y])
    assert y.tolist() == [0, 0, 0]
    replay()
    x.fill_(10)
    replay()
    assert y.tolist() == [44, 44, 44]


def test_a_rehearsal_fixes_what_the_host_decides():
    """A number of the host is that of the recording for ever."""
    rate, y = [1.0], torch.zeros(2)
    replay = Rehearsal().record(lambda: y.add_(rate[0]), 1, [y])
    rate[0] = 100.0
    replay()
    assert y.tolist() == [1, 1]


def test_a_rehearsal_refuses_a_step_that_asks_for_a_value():
    """As a capture does."""
    x = torch.ones(3)
    with pytest.raises(RuntimeError):
        Rehearsal().record(lambda: x.mul_(float((x * 2).sum())), 1, [x])


def test_a_rehearsal_refuses_memory_that_nobody_holds():
    """A tensor that was made for this step alone is gone at the next one."""
    y = torch.zeros(4)
    passing = torch.arange(4.0)
    with pytest.raises(AssertionError, match=r"reads a tensor of shape \(4,\) that nobody holds \(aten.add_.Tensor\)"):
        Rehearsal().record(lambda: y.add_(passing), 1, [y])
