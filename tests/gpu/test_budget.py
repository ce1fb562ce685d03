"""Time is shared out by what is left, and what hangs is interrupted."""

from __future__ import annotations

import time

import pytest

from benchmarks.gpu.budget import Allowance, Budget, CutOffError, cut_off_after


def test_what_one_section_leaves_over_others_have():
    """Shares are of the time that is left, among the sections that are still to come."""
    budget = Budget(100.0, {"a": 1.0, "b": 1.0, "c": 2.0}, time.monotonic() - 40.0)  # a began at once, and took 40 s
    assert budget.share("b") == pytest.approx(20.0, abs=0.1)
    assert budget.share("c") == pytest.approx(60.0, abs=0.1)
    assert Budget(10.0, {"a": 1.0}, time.monotonic() - 20.0).share("a") == 0.0


def test_an_allowance_is_shared_equally_among_what_comes():
    """Half of what is left for the first of two."""
    whole = Allowance.of(10.0)
    assert whole.part(2).left() == pytest.approx(5.0, abs=0.1)
    assert not whole.over
    assert Allowance.of(-1.0).over


def test_what_hangs_is_interrupted_and_whoever_waits_around_it_is_not_forgotten():
    """The inner time is up first; the outer one still holds afterwards."""
    heard: list[str] = []

    def hang(seconds: float) -> None:
        try:
            with cut_off_after(seconds):
                time.sleep(5)
        except CutOffError as stopped:
            heard.append(str(stopped))

    def hang_within(seconds: float) -> None:
        with cut_off_after(seconds):
            hang(0.3)
            time.sleep(5)

    start = time.monotonic()
    with pytest.raises(CutOffError, match="after 2 s"):
        hang_within(1.6)
    assert heard == ["interrupted after 0 s"]
    assert 1.5 < time.monotonic() - start < 4.0
    with cut_off_after(0.2):
        pass
    time.sleep(0.3)  # nothing is left behind
