"""Verification: sampled cells of a bundle are computed again, and compared with what it claims.

What may differ. The same key means the same code, recipe and seed: every random draw is the same, and the numbers
differ by rounding alone, which depends on how many cells are stacked, the processor and the libraries. Most cells come
out to the last digit, also where the processor's newer instructions are switched off; where training magnifies
rounding, they do not (of twelve that were tried one was four points off, and as far from itself in stacks of other
sizes). So the tolerance of a cell is half a point (0.005) of a share, one percent of any other number. It is the same
for other code and other hardware, which a bundle could claim to be given more room; the verdict says where they differ.

A cell that is further off is computed five times more, in stacks of two and of three copies of itself. If these runs
differ, what rounding does to the cell is known: with R runs of mean m and deviation s the claim may lie as far from m
as the tolerance and the 99 % prediction interval of one more run, t(0.995, R − 1) · s · sqrt(1 + 1/R). A cell that
always comes out the same has s = 0, and is held to the tolerance: a raise by two points is caught there. Where s is
large it is not, cell by cell. So the sampled cells are also tested together: true claims lie as often above the first
run as below. Their differences, each in tolerances, are tested by changing signs; claims that lie a tenth of a
tolerance too high on average, with a one-sided p of 0.01 or less, are refused together. That takes seven cells that
are off at least, and refuses one true bundle in a hundred at most.

`--tolerance` gives one number for all cells instead, and nothing is repeated or tested together. A cell agrees if a run
has the claimed status and the claim lies within the tolerance of what was found. Results raised by less cannot be
caught.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scipy.stats import t as student

from ticketbench.board.bundle.belonging import FOREIGN, belonging_of
from ticketbench.board.bundle.reading import Bundle, read_bundle
from ticketbench.board.bundle.refusal import BundleError, mended
from ticketbench.board.sampling import sample
from ticketbench.board.verdict import VERDICT_SCHEMA, Checked, Machine, Verdict
from ticketbench.plan.asked_rows import can_be_asked
from ticketbench.plan.cell import Cell, describe
from ticketbench.plan.plan import Fleet, Plan, Selection, find_suite, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.results.choice import identity
from ticketbench.results.stats import sign_flip
from ticketbench.store.schema import CellRecord, Environment
from ticketbench.store.tables import environments_of
from ticketbench.suite.suite import Suite, read_suite

SHARE, RELATIVE = 0.005, 0.01
"""Tolerances: of a share, and relative to any other number."""
LEVEL, LEAST = 0.01, 0.1
"""Of the test of all cells together: how often it refuses true ones, and the mean in tolerances that matters."""
CONFIDENCE = 0.995
REPEATS = (2, 3)
"""The stacks in which a doubtful cell is computed again."""
HARDWARE = ("torch", "processor", "accelerators")
LONGEST_REASON = 300


def open_bundle(folder: Path, plugins: Plugins, suite_name: str | None = None) -> tuple[Bundle, Suite, Plan]:
    """A bundle that is in order, its suite, and the plan of its tier with the rows that plugins add."""
    bundle = read_bundle(folder)
    said = bundle.manifest
    if suite_name:
        suite = find_suite(suite_name, plugins)
    else:  # never a file that the bundle names: its suite is only looked up
        suite = read_suite(plugins.find("suite", said.suite, "the bundle (--suite FILE, where it is not installed)"))
    bundle.check_against(suite)
    rows = [row for block in suite.tier(said.tier).blocks for row in block.methods]
    rows += [method.row for method in said.methods if can_be_asked(suite, plugins, method.row)]
    selection = Selection(methods=tuple(dict.fromkeys(rows)))
    plan = make_plan(suite, said.tier, plugins, selection, said.device_class, said.precision)
    return bundle, suite, plan


def candidates(bundle: Bundle, suite: Suite, plan: Plan) -> dict[str, CellRecord]:
    """Key -> row of the cells with a result that a board ranks. Others would only hide these from the sample."""
    rows = bundle.cells()
    found = belonging_of(rows, plan.cells, suite)
    ranked = {row.key: row for row in rows if row.judged and found[row.key] != FOREIGN}
    if not ranked:
        raise BundleError(
            f"{bundle.manifest.name} has no cell with a result that the tier '{bundle.manifest.tier}' has: there is "
            "nothing to compute again. `ticketbench submit --check` says what it has."
        )
    return ranked


def pick_sample(bundle: Bundle, among: Mapping[str, CellRecord], count: int, salt: str = "") -> list[CellRecord]:
    """The cells that are to be computed again; `sampling.py` says why these."""
    return [among[key] for key in sample(bundle.manifest.hash, among, count, salt)]


def planned_for(rows: Iterable[CellRecord], plan: Plan) -> dict[str, Cell]:
    """Claimed key -> the cell of today's plan that answers the same question, where there is one."""
    today = {identity(describe(cell)): cell for cell in plan.cells}
    found = ((row.key, today.get(identity(row))) for row in rows)
    return {key: cell for key, cell in found if cell is not None}


def only(plan: Plan, cells: Iterable[Cell]) -> Plan:
    """The plan with some of its cells alone."""
    return replace(plan, cells=tuple(cells))


def repeats(plan: Plan, cells: Iterable[Cell], device: str) -> list[Fleet]:
    """Stacks of copies of each cell: the same computation with other rounding."""
    return [Fleet((cell,) * size, plan.timeout, device) for cell in cells for size in REPEATS]


def doubtful(verdict: Verdict, cells: Mapping[str, Cell]) -> list[Cell]:
    """The cells that came to a result other than the claim's."""
    return [cells[cell.key] for cell in verdict.disagreeing if cell.key in cells and cell.found is not None]


def weigh_found(
    bundle: Bundle,
    suite: Suite,
    rows: Sequence[CellRecord],
    among: int,
    cells: Mapping[str, Cell],
    records: Iterable[CellRecord],
    environment: Environment,
    device: str,
    tolerance: float | None = None,
    salt: str = "",
) -> Verdict:
    """The verdict: every sampled cell, of so many that it could be, beside what was found of it."""
    by_key: dict[str, list[CellRecord]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    made = {one.environment: one for one in environments_of(bundle.read("environments"))}
    checked, apart = [], []
    for row in rows:
        cell = cells.get(row.key)
        found = by_key.get(cell.key, []) if cell else []
        alike = all(getattr(made[row.environment], name) == getattr(environment, name) for name in HARDWARE)
        same_code = cell is not None and cell.key == row.key
        checked.append(check_again(row, suite, cell, found, same_code, alike and same_code, tolerance))
        apart += [raised(row, record, suite) for record in found[:1] if record.status == row.status]
    together = 1.0 if tolerance is not None else chance_together(apart)
    facts = {name: getattr(environment, name) for name in Machine.model_fields if name != "device"}
    return Verdict.model_validate(
        {
            "schema": VERDICT_SCHEMA,
            "bundle": bundle.manifest.hash,
            "salt": salt,
            "candidates": among,
            "agrees": all(cell.agrees for cell in checked) and together > LEVEL,
            "together": together,
            "environment": {**facts, "device": device},
            "cells": [cell.model_dump() for cell in checked],
        }
    )


def check_again(
    row: CellRecord,
    suite: Suite,
    cell: Cell | None,
    records: Sequence[CellRecord],
    same_code: bool,
    alike: bool,
    tolerance: float | None,
) -> Checked:
    """One cell: the claim, what was found, and whether they agree."""
    claimed, metric = result_of(row), row.headline_metric
    runs = [result_of(record) for record in records if record.status == row.status]
    found = statistics.fmean(runs) if runs else None
    difference = None if found is None else found - claimed
    allowed = allowance(suite, metric, claimed) + margin(runs) if tolerance is None else tolerance
    if cell is None:
        reason = "it cannot be computed again: the suite's tier, with the plugins that are loaded, has no such cell"
    elif not records:
        reason = "it was not computed"
    elif difference is None:
        said = records[0].reason or "no reason was given"
        reason = f"it is {records[0].status} here ({said}), {row.status} in the bundle"
    elif abs(difference) <= allowed:
        reason = ""
    elif alike:
        reason = "the difference is larger than the tolerance"
    else:
        other = "torch, the processor or the accelerators" if same_code else "the code"
        reason = f"the difference is larger than the tolerance, and {other} changed since"
    return Checked(
        key=row.key,
        row=row.row,
        task=row.task,
        density=row.density,
        seed=row.seed,
        metric=metric,
        claimed=claimed,
        found=found,
        difference=difference,
        tolerance=allowed,
        runs=len(runs),
        deviation=statistics.stdev(runs) if len(runs) > 1 else 0.0,
        same_code=same_code,
        alike=alike,
        agrees=not reason,
        reason=mended(reason.replace("\n", " ").replace("\t", " "), LONGEST_REASON),
    )


def result_of(record: CellRecord) -> float:
    """A cell's result; no number where it has none."""
    return math.nan if record.headline is None else record.headline


def margin(runs: Sequence[float]) -> float:
    """Half of the 99 % prediction interval of one more run; nothing for a single run."""
    if len(runs) < 2:
        return 0.0
    width = float(student.ppf(CONFIDENCE, len(runs) - 1)) * math.sqrt(1 + 1 / len(runs))
    return width * statistics.stdev(runs)


def allowance(suite: Suite, metric: str, claimed: float) -> float:
    """How far a result may lie from the claim."""
    return SHARE if suite.metric(metric).percent else RELATIVE * abs(claimed)


def raised(row: CellRecord, record: CellRecord, suite: Suite) -> float:
    """How much better the claim is than what was found, in tolerances."""
    metric, claimed = row.headline_metric, result_of(row)
    sign = 1.0 if suite.metric(metric).higher_is_better else -1.0
    return sign * (claimed - result_of(record)) / (allowance(suite, metric, claimed) or 1.0)


def chance_together(apart: Sequence[float]) -> float:
    """How often true claims would lie as far above what was found as these do, all together; one-sided and exact."""
    if not apart or statistics.fmean(apart) <= LEAST:
        return 1.0
    return sign_flip(apart) / 2
