"""The plan: a suite and a selection become cells, and cells become fleets."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any

from ticketbench.errors import OptionError, SuiteError, TicketbenchError, UnknownNameError
from ticketbench.plan.asked_rows import AskedRow, asked_rows
from ticketbench.plan.cell import Cell, Choice, Setting, make_cell
from ticketbench.plan.choosing import swept_headline
from ticketbench.plan.engines import has_tapes
from ticketbench.plan.fitting import check_metric, check_some_left
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Method, Stages, Task
from ticketbench.plugin.fingerprint import fingerprint
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Block, Entry, Row, Suite

CPU_FLEET = 4
"""Members at which a stacked model stops getting faster per member on one CPU thread."""
CUDA_FLEET = 64

Room = Callable[[Setting], int]
"""How many cells of a setting fit into a worker's memory, one at least."""


@dataclass(frozen=True)
class Selection:
    """What the command line asked for; empty means all."""

    methods: tuple[str, ...] = ()
    """Rows of the suite, methods or scorers; with options in brackets behind a name, with commas between several."""
    tasks: tuple[str, ...] = ()
    densities: tuple[float, ...] = ()
    seeds: int | None = None
    models: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    initializers: tuple[str, ...] = ()

    def names(self) -> dict[str, tuple[str, ...]]:
        """What was asked for of the axes that a block lists: its key there -> names."""
        axes = {"tasks": self.tasks, "models": self.models, "protocols": self.protocols}
        return {**axes, "initializers": self.initializers}

    def keeps(self, block: Block, axis: str) -> list[Entry]:
        """The entries of a block's axis that were asked for."""
        wanted = self.names()[axis]
        return [entry for entry in getattr(block, axis) if not wanted or entry.name in wanted]


@dataclass(frozen=True)
class Fleet:
    """Cells that are trained together, as a plain description that can travel."""

    cells: tuple[Cell, ...]
    timeout: float
    device: str = "cpu"
    seats: int = 0
    """How many cells are trained at once, the others as soon as one of them ends; 0 for all."""
    resumes: str = ""
    """The checkpoint that they go on from, if there is one."""

    @property
    def name(self) -> str:
        """A short name that depends on the cells alone."""
        return hashlib.sha256(" ".join(cell.key for cell in self.cells).encode()).hexdigest()[:12]

    def without(self, keys: Collection[str]) -> Fleet:
        """The same fleet without some of its cells."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell.key not in keys))

    def split(self, parts: int) -> list[Fleet]:
        """The same cells in so many smaller fleets, whose sizes differ by one at most, from their beginning."""
        edges = [len(self.cells) * part // parts for part in range(parts + 1)]
        return [replace(self, cells=self.cells[start:end], resumes="") for start, end in pairwise(edges) if start < end]


@dataclass(frozen=True)
class Plan:
    """Everything a run will do, before it does it."""

    suite: Suite
    tier: str
    cells: tuple[Cell, ...]
    timeout: float
    plugins: dict[str, Any] = field(default_factory=dict)
    shrinking: frozenset[str] = frozenset()
    """Methods that remove units: only cells of one density have networks of one shape."""
    apart: frozenset[str] = frozenset()
    """Methods whose cells share a stack among themselves only."""
    expected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Key -> what may become of a cell beside "ok", where the suite says so."""
    trainings: Mapping[str, float] = field(default_factory=dict)
    """Key -> how many full trainings a cell takes, of those that take more than one."""

    def fleets(
        self, cells: Iterable[Cell], device: str, workers: int, largest: int = 0, room: Room | None = None
    ) -> list[Fleet]:
        """Cells that can share a stacked model, in fleets that keep all workers busy and fit into their memory.

        On a CPU a fleet is as large as is worth while, of cells that stop at the same steps. On a GPU it has all cells
        whose steps are one computation, the longest first, and as many seats as there is memory for.
        """
        groups: dict[str, list[Cell]] = {}
        keys: dict[int, str] = {}
        on_cpu = device == "cpu"
        for cell in cells:
            setting, name = cell.setting, cell.setting.method.name
            if id(setting) not in keys:
                together = setting.fleet_text() if on_cpu or name in self.apart else f"mixed {setting.stack_text()}"
                keys[id(setting)] = together
            shape = f" at {cell.density}" if name in self.shrinking else ""
            groups.setdefault(keys[id(setting)] + shape, []).append(cell)
        fleets = []
        for members in groups.values():
            ordered = sorted(members, key=lambda cell: (cell.density, cell.setting.row, cell.seed))
            most = largest or (CPU_FLEET if on_cpu else len(ordered) if room else CUDA_FLEET)
            most = (
                min(most, min(map(room, {id(one.setting): one.setting for one in ordered}.values()))) if room else most
            )
            count = math.ceil(len(ordered) / most) if on_cpu else 1
            if len(groups) < workers:
                count = min(len(ordered), math.ceil(count / workers) * workers)
            if not on_cpu:
                ordered.sort(key=lambda cell: -self.trainings.get(cell.key, 1.0))
            parts = Fleet(tuple(ordered), self.timeout, device).split(count)
            fleets += parts if on_cpu else [replace(part, seats=min(most, len(part.cells))) for part in parts]
        return fleets


def make_plan(
    suite: Suite,
    tier: str,
    plugins: Plugins,
    selection: Selection | None = None,
    device_class: str = "cpu",
    precision: str = "",
    engine: str = "auto",
) -> Plan:
    """All cells of a tier that the selection keeps, each once, in the suite's order.

    Where no precision is given, it is the tier's own on that kind of device. The engine is sparse wherever it may be,
    unless "full" is asked for.
    """
    selection = selection or Selection()
    check_selection(suite, tier, selection)
    resolver = Resolver(plugins)
    chosen = suite.tier(tier)
    precision = precision or chosen.precision_on(device_class)
    seeds = chosen.seeds
    if selection.seeds is not None:
        extra = range(max(seeds) + 1, max(seeds) + 1 + max(0, selection.seeds - len(seeds)))
        seeds = (*seeds, *extra)[: selection.seeds]
    asked = asked_rows(suite, plugins, selection.methods)
    cells: dict[str, Cell] = {}
    trainings: dict[str, float] = {}
    expected: dict[str, frozenset[str]] = {}
    methods: dict[str, Method] = {}
    for number, block in enumerate(chosen.blocks, 1):
        where = f"suite '{suite.name}', tiers.{tier}.blocks (number {number})"
        rows = list(rows_of(suite, tier, block, asked))
        expected_of = {label: row.expects for label, row in rows}
        for setting, method in settings(
            suite, tier, block, rows, resolver, selection, device_class, precision, where, engine
        ):
            text = setting.text()
            methods[setting.method.name] = method
            expects = frozenset((*chosen.expects, *expected_of[setting.row]))
            densities = selection.densities or block.densities
            for density in densities if method.fixed_density is None else [method.fixed_density]:
                for seed in seeds:
                    cell = make_cell(setting, text, float(density), seed)
                    cells.setdefault(cell.key, cell)
                    if expects:
                        expected[cell.key] = expects
                    if (count := method.trainings(cell.density)) != 1:
                        trainings[cell.key] = count
    if not cells:
        raise SuiteError(f"nothing to run: no cell of suite '{suite.name}', tier {tier}, is left by the selection")
    check_some_left(cells.values(), resolver)
    shrinking = frozenset(name for name, method in methods.items() if method.removes_units)
    apart = frozenset(name for name, method in methods.items() if not method.mixes)
    every = tuple(cells.values())
    return Plan(suite, tier, every, chosen.timeout, plugins.recipe(), shrinking, apart, expected, trainings)


def settings(
    suite: Suite,
    tier: str,
    block: Block,
    rows: Sequence[tuple[str, Row]],
    resolver: Resolver,
    selection: Selection,
    device_class: str,
    precision: str,
    where: str,
    engine: str,
) -> Iterator[tuple[Setting, Method]]:
    """Every combination of a block's axes, resolved."""
    recipe = suite.recipes[block.recipe].text()
    probes = tuple(choose(resolver, "probe", probe, where) for probe in block.probes)
    for task, model, protocol, initializer in product(*(selection.keeps(block, axis) for axis in selection.names())):
        task_choice = choose(resolver, "task", task, where)
        protocol_choice = choose(resolver, "protocol", protocol, where)
        model_choice = choose(resolver, "model", model, where)
        stages = resolver.chosen("protocol", protocol_choice).stages(
            resolver.chosen("task", task_choice), resolver.find_task
        )
        sources = stage_sources(resolver, resolver.chosen("task", task_choice), stages)
        headline = suite.headline_of(task.name)
        check_metric(suite, task.name, stages, suite.recipes[block.recipe], resolver, where)
        read = swept_headline(headline, resolver.chosen("model", model_choice), stages, where)
        may = engine != "full" and device_class == "cpu" and precision == "fp32"
        sparse = may and has_tapes(resolver, model_choice, task_choice, protocol_choice)
        for label, row in rows:
            method = resolver.item("method", row.method.name, row.method.options, where)
            scorer = scorer_of(label, row, method, resolver, where)
            computed_by = "sparse" if sparse and method.fixed_density != 1 else "full"
            yield (
                Setting(
                    suite.name,
                    suite.version,
                    tier,
                    label,
                    choose(resolver, "method", row.method, where),
                    scorer,
                    model_choice,
                    task_choice,
                    protocol_choice,
                    choose(resolver, "initializer", initializer, where),
                    probes,
                    block.recipe,
                    recipe,
                    precision,
                    device_class,
                    sources,
                    computed_by,
                    read,
                ),
                method,
            )


def choose(resolver: Resolver, kind: str, entry: Entry, where: str) -> Choice:
    """An entry of a suite file as a choice."""
    return resolver.choice(kind, entry.name, entry.options, where)


def stage_sources(resolver: Resolver, task: Task, stages: Stages) -> tuple[tuple[str, str], ...]:
    """Fingerprints of the tasks that a protocol reaches beyond the cell's own."""
    reached = {type(part): part for part in stages.tasks()}
    return tuple(
        (item.name, fingerprint(item, resolver.plugin_packages))
        for kind, item in reached.items()
        if kind is not type(task)
    )


def scorer_of(label: str, row: Row, method: Method, resolver: Resolver, where: str) -> Choice | None:
    """The scorer a row ranks by: its own, or the method's default."""
    entry = row.scorer or (Entry(name=method.ranks_by) if method.ranks_by else None)
    if method.ranks_by is not None and entry is None:
        raise SuiteError(f"row '{label}' ({where}): method '{method.name}' needs a scorer to rank by; add `scorer = …`")
    if method.ranks_by is None and entry is not None:
        raise SuiteError(f"row '{label}' ({where}): method '{method.name}' takes no scorer; leave `scorer` out")
    return choose(resolver, "scorer", entry, where) if entry else None


def rows_of(suite: Suite, tier: str, block: Block, asked: Sequence[AskedRow]) -> Iterator[tuple[str, Row]]:
    """A block's rows, or those that were asked for.

    A row that other blocks of the tier have stays theirs, and so do its variants; one that no block has runs in all.
    """
    if not asked:
        yield from ((label, suite.methods[label]) for label in block.methods)
    taken = {label for other in suite.tier(tier).blocks for label in other.methods} - set(block.methods)
    yield from ((one.label, one.row) for one in asked if one.base not in taken)


def check_selection(suite: Suite, tier: str, selection: Selection) -> None:
    """Wrong values on the command line, each by name."""
    for density in selection.densities:
        if not 0 < density <= 1:
            raise OptionError(f"--density {density:g} is outside (0, 1]: it is the fraction of weights kept")
    if selection.seeds is not None and selection.seeds < 1:
        raise OptionError(f"--seeds {selection.seeds} is no number of seeds. Give 1 or more.")
    for axis, wanted in selection.names().items():
        known = {entry.name for block in suite.tier(tier).blocks for entry in getattr(block, axis)}
        for name in wanted:
            if name not in known:
                word = axis.removesuffix("s")
                raise UnknownNameError(word, name, known, f"--{word} (suite '{suite.name}', tier {tier})")


def count_by(cells: Iterable[Cell], axis: str) -> Counter[str]:
    """How many cells each value of an axis has, for a summary of the plan."""
    return Counter(str(getattr(cell.setting, axis, None) or getattr(cell, axis)) for cell in cells)


def find_suite(name: str, plugins: Plugins) -> Suite:
    """A suite by its registered name, or by the path of a TOML file."""
    from pathlib import Path

    from ticketbench.suite.suite import read_suite

    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return read_suite(path)
    suite = read_suite(plugins.find("suite", name))
    if suite.name != name:
        raise TicketbenchError(f"the suite file registered as '{name}' calls itself '{suite.name}'")
    return suite
