"""The networks of the papers that cost most: a DT-Net of width 400, and a GRU of 400 units."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from benchmarks.gpu.budget import Allowance
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section
from benchmarks.gpu.stand_ins import EXAMPLES, StandInResolver
from benchmarks.gpu.stretch import timed
from benchmarks.gpu.suites import Tier, tier_of, with_recipe
from benchmarks.gpu.troubles import going_on
from ticketbench.plan.cell import Cell, make_cell
from ticketbench.plugin.loading import Plugins

COLUMNS = ("network", "members", "precision", "ms a step", "ms a member-step", "seconds to the first step", "engine")


@dataclass(frozen=True)
class Network:
    """A network of a paper's tier, and the fleets of it that are measured."""

    title: str
    suite: str
    model: str
    size: tuple[str, int]
    """The option of the model that says how large it is."""
    row: str
    fleets: tuple[int, ...]
    """Those with a target first."""
    precisions: tuple[str, ...]
    log_every: int
    by_member: bool
    """Whether the target is of a member-step, or of a step of the whole fleet."""
    limit: float
    """Milliseconds, of the first fleet in the fastest precision."""


DTNET = Network(
    "DT-Net, 32 bits, batch 100", "drn", "dtnet1d", ("width", 400), "random", (18, 3), ("tf32", "bf16"), 8, True, 2.5
)
GRU = Network("GRU, 28 rows, batch 64", "rnn", "gru", ("hidden", 400), "random", (35, 10), ("tf32",), 20, False, 2.5)


def measure_dtnet(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """The DT-Net of the drn suite."""
    measure(DTNET, machine, plugins, results, section, until)


def measure_gru(machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance) -> None:
    """The GRU of the rnn suite."""
    measure(GRU, machine, plugins, results, section, until)


def measure(
    network: Network, machine: Machine, plugins: Plugins, results: Results, section: Section, until: Allowance
) -> None:
    """A row a fleet and precision."""
    fleets = (2,) if machine.rehearsal else network.fleets
    pairs = [(fleet, precision) for fleet in fleets for precision in network.precisions]
    found: list[float] = []
    for number, (fleet, precision) in enumerate(pairs):
        if until.over:
            section.left_out += [f"{size} members in {kind}" for size, kind in pairs[number:]]
            break
        part = until.part(len(pairs) - number)
        with going_on(machine, section, f"{fleet} members in {precision}"):
            tier, cells = cells_of(network, machine, plugins, precision, fleet)
            stretch = timed(machine, cells, tier.resolver, tier.headline(cells[0]), part.left() / 2, part, warm=5)
            step = None if stretch.microseconds is None else stretch.microseconds / 1000
            section.add(
                **{
                    "network": f"{network.title}, {network.size[0]} {size_on(machine, network)}",
                    "members": fleet,
                    "precision": precision,
                    "ms a step": step,
                    "ms a member-step": None if step is None else step / fleet,
                    "seconds to the first step": stretch.first,
                    "engine": stretch.how,
                }
            )
            if step is not None and fleet == fleets[0]:
                found.append(step / fleet if network.by_member else step)
    what = "ms a member-step" if network.by_member else "ms a step"
    name = f"{network.model}, {network.size[0]} {network.size[1]}, {network.fleets[0]} members, {what}"
    results.target(name, "at most", network.limit, "ms", min(found, default=None))


def size_on(machine: Machine, network: Network) -> int:
    """The network's size; a small one in a rehearsal."""
    return 8 if machine.rehearsal else network.size[1]


def cells_of(
    network: Network, machine: Machine, plugins: Plugins, precision: str, members: int
) -> tuple[Tier, list[Cell]]:
    """So many cells of one row and density of the paper's tier, with seeds that go on from 0."""
    tier = tier_of(
        network.suite, "paper", plugins, StandInResolver(plugins, 600 if machine.rehearsal else EXAMPLES), precision
    )
    name, size = network.size
    first = next(
        cell
        for cell in tier.plan.cells
        if (cell.setting.model.name, cell.setting.row) == (network.model, network.row)
        and json.loads(cell.setting.model.options)[name] == size
    )
    if machine.rehearsal:
        options = {**json.loads(first.setting.model.options), name: size_on(machine, network)}
        options |= {"iterations": 4} if "iterations" in options else {}
        model = first.setting.model._replace(options=json.dumps(options))
        first = replace(first, setting=replace(first.setting, model=model))
    (cell,) = with_recipe([first], log_every=1 if machine.rehearsal else network.log_every)
    setting = cell.setting
    return tier, [make_cell(setting, setting.text(), cell.density, seed) for seed in range(members)]
