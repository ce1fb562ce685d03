"""Where a command computes, or plans to: its workers' devices, how fast they are, and how much fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketbench.cli.run_state import RunState
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.cost import Cost
    from ticketbench.plan.estimate import Estimate
    from ticketbench.plan.measured import Measured
    from ticketbench.plan.plan import Fleet, Plan, Room
    from ticketbench.plan.resolve import Resolver
    from ticketbench.plan.speed import Speed
    from ticketbench.plugin.loading import Plugins


@dataclass(frozen=True)
class Crew:
    """Some workers, here or on a machine that is planned for."""

    devices: tuple[str, ...]
    speed: Speed
    memory: float
    """Bytes that a fleet may take."""
    measured: Measured | None = None
    """What is known of this machine; None for another one."""
    costs: dict[str, Cost] = field(default_factory=dict)
    """What settings were found to cost, so that tiers that share them are counted once."""

    def resolver(self, plugins: Plugins) -> Resolver:
        """A resolver that knows what was counted before."""
        from ticketbench.plan.resolve import Resolver

        found = Resolver(plugins)
        found.costs = self.costs
        return found

    def room(self, resolver: Resolver) -> Room:
        """How many cells of a setting fit into a worker."""
        from ticketbench.plan.estimate import room_in

        return room_in(self.memory, resolver)

    def fleets(self, plan: Plan, cells: Sequence[Cell], resolver: Resolver, largest: int = 0) -> list[Fleet]:
        """The fleets that a run makes of these cells."""
        return plan.fleets(cells, self.devices[0], len(self.devices), largest, self.room(resolver))

    def estimate(self, fleets: Sequence[Fleet], resolver: Resolver) -> Estimate:
        """What fleets will cost here, corrected by what was measured before."""
        from ticketbench.plan.estimate import estimate

        return estimate(fleets, resolver, self.speed, self.devices, self.measured)

    def run_state(self, fleets: Sequence[Fleet], resolver: Resolver) -> RunState:
        """What a run of these fleets is before it begins: what is expected of each cell, and of the workers."""
        from ticketbench.cli.run_state import RunState
        from ticketbench.plan.cell_times import cell_times

        times = cell_times(fleets, resolver, self.speed, self.measured)
        return RunState(times, min(len(self.devices), len(fleets)), self.speed.start)


def crew_here(devices: tuple[str, ...]) -> Crew:
    """Workers on devices of this machine. A card that the table has gets the table's rates, another one is measured."""
    from ticketbench.plan.card import card_called
    from ticketbench.plan.measured import Measured
    from ticketbench.plan.speed import card_speed, cpu_speed, measured_card

    if devices[0] == "cpu":
        return Crew(devices, cpu_speed(), worker_memory(devices), Measured.here())
    import torch

    name = torch.cuda.get_device_name(devices[0])
    known = card_called(name)
    words = f"the {name} that is here, rates from the table" if known else f"the {name} that is here, rates measured"
    speed = card_speed(known or measured_card(devices[0]), words)
    return Crew(devices, speed, worker_memory(devices), Measured.here(name))


def planned_crew(device: str, workers: int | None, card_name: str | None) -> Crew:
    """Workers that a plan is for: here, or on a card of the table if one is named, or where none is and it must be."""
    import torch

    from ticketbench.errors import DeviceError, OptionError
    from ticketbench.plan.card import DEFAULT_CARD, card_named
    from ticketbench.plan.speed import card_speed

    if card_name and device == "cpu":
        raise OptionError(f"--card {card_name} is a GPU, and --device cpu asks for none. Leave one of them out.")
    if not card_name and (not device.startswith("cuda") or torch.cuda.is_available()):
        return crew_here(pick_devices(device, workers))
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cuda") or (index and not index.isdecimal()):
        raise DeviceError(f"unknown --device '{device}'. Valid: auto, cpu, cuda, cuda:0 …")
    card = card_named(card_name or DEFAULT_CARD)
    count = workers or 1
    return Crew(
        (f"cuda:{index or 0}",) * count,
        card_speed(card, f"one {card.name} that need not be here, rates from the table"),
        0.7 * card.memory / count,
    )


def pick_devices(device: str, workers: int | None) -> tuple[str, ...]:
    """The device of each worker, such as ("cpu", "cpu"); a `DeviceError` where there is no such device."""
    import torch

    from ticketbench.errors import DeviceError
    from ticketbench.store.environment import available_cores

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if count else "cpu"
    if device == "cpu":
        return ("cpu",) * (workers or available_cores())
    kind, _, index = device.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise DeviceError(f"unknown --device '{device}'. Valid: auto, cpu, cuda, cuda:0 …")
    if not count:
        raise DeviceError(f"--device {device}: this machine has no CUDA device. Use --device cpu.")
    if index:
        if int(index) >= count:
            raise DeviceError(f"--device {device}: there are {count} CUDA devices, numbered from 0.")
        return (device,) * (workers or 1)
    return tuple(f"cuda:{at % count}" for at in range(workers or count))


def worker_memory(devices: tuple[str, ...]) -> float:
    """The bytes a fleet may take: seven tenths of a GPU, or of a worker's share of the main memory."""
    import torch

    from ticketbench.store.environment import memory

    if devices[0] == "cpu":
        return 0.7 * memory() / len(devices)
    return 0.7 * min(torch.cuda.mem_get_info(device)[1] / devices.count(device) for device in devices)
