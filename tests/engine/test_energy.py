"""What a GPU has consumed, as its driver counts it."""

from __future__ import annotations

import pytest
import torch

from ticketbench.engine import energy
from ticketbench.engine.energy import Meter, counted, joules
from ticketbench.engine.execute import execute
from ticketbench.plan.resolve import Resolver


class Driver:
    """A management library that knows one card, which has consumed 12,345 millijoules."""

    def nvmlDeviceGetHandleByUUID(self, uuid, card):  # noqa: N802 - the library's name
        if uuid != b"GPU-1":
            return 6
        card._obj.value = 77
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, card, millijoules):  # noqa: N802
        assert card.value == 77
        millijoules._obj.value = 12_345
        return 0


class Mute(Driver):
    """One whose card does not count."""

    def nvmlDeviceGetTotalEnergyConsumption(self, card, millijoules):  # noqa: N802
        return 3


class Ancient:
    """One from before cards counted."""


def test_the_counter_is_in_joules():
    """Of the card with that identity; None where the driver does not know it, or does not tell."""
    assert counted(Driver(), "GPU-1") == 12.345
    assert counted(Driver(), "GPU-2") is None
    assert counted(Mute(), "GPU-1") is None
    assert counted(Ancient(), "GPU-1") is None


def test_a_fleet_shares_what_was_consumed(monkeypatch):
    """Evenly among those who were there at the time; without a counter nobody knows."""
    counter = iter([100.0, 160.0, 170.0, None, 200.0])
    monkeypatch.setattr(energy, "joules", lambda device: next(counter))
    meter = Meter(torch.device("cpu"))
    assert [meter.share(4), meter.share(2), meter.share(2), meter.share(2)] == [15.0, 5.0, None, None]


def test_a_cpu_tells_nothing(tiny_suite, records_of):
    """Neither before nor after."""
    assert joules(torch.device("cpu")) is None
    assert {record["energy"] for record in records_of(tiny_suite(), seeds=1)} == {None}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_counts_up(tiny_suite, cells_of, plugins):
    """A card that counts never counts down; a fleet of two has the same share each."""
    before = joules(torch.device("cuda"))
    suite, cells = cells_of(tiny_suite(), methods=("magnitude",))
    found = {record.energy for record in execute(cells, Resolver(plugins), suite.headline, "cuda")}
    after = joules(torch.device("cuda"))
    assert len(found) == 1
    if before is None or after is None:
        assert found == {None}
    else:
        assert 0 <= 2 * found.pop() <= after - before
