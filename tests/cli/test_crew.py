"""Workers: on devices of this machine, or on a card that is planned for."""

from __future__ import annotations

import pytest

from ticketbench.cli.crew import crew_here, pick_devices, planned_crew, worker_memory
from ticketbench.errors import DeviceError, OptionError, UnknownNameError


@pytest.fixture(autouse=True)
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_devices_of_workers(monkeypatch: pytest.MonkeyPatch):
    """One worker a core or a GPU; more of them are dealt round; one GPU can be asked for by number."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert pick_devices("auto", None) == ("cuda:0", "cuda:1")
    assert pick_devices("cuda", 3) == ("cuda:0", "cuda:1", "cuda:0")
    assert pick_devices("cuda:1", None) == ("cuda:1",)
    assert pick_devices("cpu", 3) == ("cpu",) * 3
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_devices("auto", 2) == ("cpu", "cpu")


def test_workers_here():
    """Their memory, a measured speed, and what this machine was found to take."""
    crew = crew_here(("cpu", "cpu"))
    assert crew.memory == worker_memory(("cpu", "cpu"))
    assert (crew.speed.device, crew.speed.about) == ("cpu", "this CPU, measured")
    assert crew.measured is not None


def test_a_plan_for_a_card_that_is_not_here():
    """An H200 by default, of which seven tenths are a fleet's; two workers share it."""
    crew = planned_crew("cuda", None, None)
    assert (crew.devices, crew.memory, crew.measured) == (("cuda:0",), 0.7 * 141e9, None)
    assert crew.speed.about == "one h200 that need not be here, rates from the table"
    shared = planned_crew("cuda:1", 2, "a100")
    assert (shared.devices, shared.memory) == (("cuda:1", "cuda:1"), 0.35 * 80e9)


def test_a_card_asks_for_cuda():
    """`--card` alone plans for a GPU, here or not."""
    assert planned_crew("auto", None, "l4").speed.on_card
    assert not planned_crew("auto", 1, None).speed.on_card


def test_a_card_that_is_here(monkeypatch: pytest.MonkeyPatch):
    """One that the table has gets its rates, and its own ratios; a run still asks for a device that exists."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (79e9, 80e9))
    crew = planned_crew("auto", None, None)
    assert crew.devices == ("cuda:0",)
    assert crew.speed.about == "the NVIDIA H100 80GB HBM3 that is here, rates from the table"
    assert crew.measured is not None
    assert "NVIDIA H100 80GB HBM3" in crew.measured.machine
    with pytest.raises(DeviceError, match="there are 1 CUDA devices"):
        planned_crew("cuda:3", None, None)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("cpu", None, "h100"), OptionError, "--card h100 is a GPU, and --device cpu asks for none"),
        (("cuda", None, "h1000"), UnknownNameError, "unknown card 'h1000' in --card. Did you mean 'h100'"),
        (("cudo", None, "h100"), DeviceError, "unknown --device 'cudo'. Valid: auto, cpu, cuda, cuda:0 …"),
        (("cudo", None, None), DeviceError, "unknown --device 'cudo'. Valid: auto, cpu, cuda, cuda:0 …"),
    ],
)
def test_what_cannot_be_planned_for(words: tuple, error: type[Exception], message: str):
    """One message each, with what would work."""
    with pytest.raises(error) as caught:
        planned_crew(*words)
    assert str(caught.value).startswith(message)
