"""Does a suite name what there is?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ticketbench.errors import TicketbenchError, suggest
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Task
from ticketbench.plugin.loading import Plugins, load_plugins
from ticketbench.store.schema import PROBE_SPLIT
from ticketbench.suite.paper import Aspect
from ticketbench.suite.suite import Block, Suite, read_suite
from ticketbench.suite.where import FILTERED, Where
from ticketbench.testing.demand import demand
from ticketbench.testing.outputs import metric_names
from ticketbench.testing.passed import Passed

MOST_PROBLEMS = 5
"""How many problems are told at once."""


def check_suite(path: str | Path, plugins: Plugins | None = None) -> Passed:
    """Every block of every tier can be planned, and figures, claims and targets speak of what the blocks have.

    Nothing is run. Metrics are looked up by reading the tasks of the suite. Where data are not here and the metrics do
    not take random numbers in their place either, a note says so.
    """
    found = plugins or load_plugins()
    path = Path(path)
    try:
        suite = read_suite(path)
    except TicketbenchError as error:
        raise AssertionError(str(error)) from error
    problems, cells = [], 0
    if suite.name != path.stem:
        problems.append(f"{path.name} calls itself '{suite.name}': a suite has the name of its file, {suite.name}.toml")
    for tier in suite.tiers:
        for number in range(1, len(suite.tier(tier).blocks) + 1):
            try:
                cells += planned(suite, tier, number, found)
            except Exception as error:
                words = str(error) if isinstance(error, TicketbenchError) else f"{type(error).__name__}: {error}"
                problems.append(f"tiers.{tier}.blocks (number {number}): {words}")
    notes: list[str] = []
    if not problems:
        asked = Asked(suite, found)
        problems += asked.problems()
        notes += asked.notes
    more = f" And {len(problems) - MOST_PROBLEMS} more." if len(problems) > MOST_PROBLEMS else ""
    demand(not problems, f"suite '{suite.name}': " + "; ".join(problems[:MOST_PROBLEMS]) + more)
    return Passed(f"every block of {', '.join(suite.tiers)} can be planned ({cells:,} cells)", tuple(notes))


def planned(suite: Suite, tier: str, number: int, plugins: Plugins) -> int:
    """How many cells a block has, planned alone."""
    whole = suite.tier(tier)
    one = whole.model_copy(update={"blocks": (whole.blocks[number - 1],)})
    alone = suite.model_copy(update={"tiers": {tier: one}})
    try:
        return len(make_plan(alone, tier, plugins).cells)
    except TicketbenchError as error:  # its place is told by who asks
        place = f"suite '{suite.name}', tiers.{tier}.blocks (number 1)"
        message = str(error).replace(f" in {place}", "").replace(f" (in {place})", "").replace(f" ({place})", "")
        message = message.removeprefix(f"{place}: ")
        raise TicketbenchError(message) from error


@dataclass
class Asked:
    """What the paper's part of a suite asks for, beside what its blocks have."""

    suite: Suite
    plugins: Plugins
    notes: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """What nothing can answer, in the order of the file."""
        found = [problem for place, where in self.wheres() for problem in self.unanswered(place, where)]
        known = self.metrics()
        for place, metric in self.named_metrics():
            if known is not None and metric not in known:
                found.append(f"{place}: no task of the suite has the metric '{metric}'. {suggest(metric, known)}")
        return found

    def blocks(self, tiers: tuple[str, ...] = ()) -> list[Block]:
        """The blocks of some tiers, or of all."""
        return [block for name, tier in self.suite.tiers.items() if not tiers or name in tiers for block in tier.blocks]

    def wheres(self) -> Iterator[tuple[str, Where]]:
        """(place, what is asked for) of every figure, claim and target."""
        for number, figure in enumerate(self.suite.figures, 1):
            yield f"figures (number {number})", figure
        for number, claim in enumerate(self.suite.claims, 1):
            yield f"claims (number {number})", claim
            if claim.than:
                yield f"claims (number {number}), `than`", claim.changed(claim.than)
        for number, target in enumerate(self.suite.targets, 1):
            yield f"targets (number {number})", target

    def unanswered(self, place: str, where: Where) -> Iterator[str]:
        """Rows, axes and probes that no block has, of the tiers that are spoken of."""
        tiers = tuple(tier for tier in getattr(where, "tiers", ()) if tier in self.suite.tiers)
        blocks = self.blocks(tiers)
        among = f"tier {', '.join(tiers)}" if tiers else "any tier"
        rows = {row for block in blocks for row in block.methods}
        row = where.row if isinstance(where, Aspect) else None
        if row is not None and row not in rows:
            yield f"{place}: no block of {among} has the row '{row}'. {suggest(row, rows)}"
        for axis in FILTERED:
            names = {entry.name for block in blocks for entry in getattr(block, f"{axis}s")}
            for name in (one.name for one in where.allowed(axis) if one.name and one.name not in names):
                yield f"{place}: no block of {among} has the {axis} '{name}'. {suggest(name, names)}"
        probes = {entry.name for block in blocks for entry in block.probes}
        for address in self.probes_in(where):
            if address not in probes:
                yield f"{place}: no block of {among} has the probe '{address}'. {suggest(address, probes)}"

    def probes_in(self, where: Where) -> set[str]:
        """The probes, or methods that note numbers, whose values are asked for."""
        named = [getattr(where, "probe", None), getattr(where, "distances", None), *getattr(where, "probes", ())]
        named += [where.metric] if where.split == PROBE_SPLIT else []
        methods = {row.method.name for row in self.suite.methods.values()}
        return {address.partition("/")[0] for address in named if address} - methods - {"engine"}

    def named_metrics(self) -> Iterator[tuple[str, str]]:
        """(place, metric) of every curve of a validation or test split, and of the headlines."""
        yield "headline", self.suite.headline.metric
        for task, headline in self.suite.headlines.items():
            yield f"headlines.{task}", headline.metric
        for place, where in self.wheres():
            if where.metric and where.split in (None, "test", "validation"):
                yield place, where.metric

    def metrics(self) -> set[str] | None:
        """The metrics of all tasks of the suite, or None, with a note, where some cannot be read here."""
        known: set[str] = set()
        for name, task in self.tasks().items():
            found = metric_names(task)
            if found is None:
                self.notes.append(f"metrics are not checked: those of task '{name}' cannot be seen without its data")
                return None
            known |= found
        return known

    def tasks(self) -> dict[str, Task]:
        """Name -> the first task of that name that a block has, or is judged on, smallest tier first."""
        resolver = Resolver(self.plugins)
        found: dict[str, Task] = {}
        for block in self.blocks():
            for entry in block.tasks:
                task: Task = resolver.item("task", entry.name, entry.options)
                found.setdefault(task.name, task)
                for protocol in block.protocols:
                    stages = resolver.item("protocol", protocol.name, protocol.options).stages(task, resolver.find_task)
                    for other in stages.judge_on.values():
                        if type(other) is not type(task):
                            found.setdefault(other.name, other)
        return found
