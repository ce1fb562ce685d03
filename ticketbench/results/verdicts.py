"""Verdicts: what our cells say about a claim of the paper.

A claim is judged once for every setting (task, model, protocol, initializer, recipe, density) that its cells have.
Cells are paired by seed; the mean difference gets a 95 % interval of Student's t over seeds. It supports the claim if
the interval lies wholly on the claimed side, contradicts it if wholly on the other; else we cannot tell. We cannot
tell either with fewer than three common seeds, or if any planned cell of the pair has no such number: leaving out the
runs that failed would flatter whoever fails. Several claims are not corrected for being several.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ticketbench.results.choice import AXES
from ticketbench.results.measures import measured
from ticketbench.results.results import CellResult, Results
from ticketbench.results.stats import Interval, t_interval
from ticketbench.store.schema import MISSING
from ticketbench.suite.paper import Aspect, Claim
from ticketbench.suite.where import FILTERED, Filter

FEWEST = 3
"""Common seeds below which nothing is said."""
ClaimVerdict = Literal["supports", "contradicts", "cannot tell"]


@dataclass(frozen=True)
class ClaimFinding:
    """What the records say of a claim in one setting: the verdict, and the numbers that it rests on."""

    claim: Claim
    verdict: ClaimVerdict
    reason: str
    """What it rests on, or why we cannot tell."""
    setting: tuple[tuple[str, Any], ...] = ()
    """(axis, choice) of the claim's own side; empty where no cell has it."""
    interval: Interval | None = None
    """Of the number, or of its difference to the other side."""
    seeds: int = 0
    absent: bool = False
    """Whether none of its cells has been computed."""


def weigh(interval: Interval, claim: Claim) -> ClaimVerdict:
    """The side of the bound on which the interval lies."""
    strict = claim.expect in ("higher", "lower")
    low, high, bound = interval.low, interval.high, 1.0 if strict and claim.compare == "ratio" else claim.value
    if claim.expect in ("lower", "at_most"):
        low, high, bound = -high, -low, -bound
    if low > bound or (low == bound and not strict):
        return "supports"
    return "contradicts" if high < bound else "cannot tell"


def judge_claim(results: Results, claim: Claim) -> list[ClaimFinding]:
    """A finding for every setting the claim's cells have, or one that says why there is none."""
    if claim.tiers and results.tier not in claim.tiers:
        return [
            ClaimFinding(claim, "cannot tell", f"it speaks of tier {' or '.join(claim.tiers)}, not of {results.tier}")
        ]
    left = results.select(claim, claim.row)
    if not left:
        return [ClaimFinding(claim, "cannot tell", f"tier {results.tier} has no cells of {with_words(claim)}")]
    settings: dict[tuple[tuple[str, Any], ...], list[CellResult]] = {}
    for entry in left:
        rows = () if claim.row else (("row", entry.row),)
        setting = (*rows, *((axis, entry.axis(axis)) for axis in AXES), ("density", entry.density))
        settings.setdefault(setting, []).append(entry)
    findings = []
    for setting, entries in settings.items():
        paired = pairs(results, claim, entries)
        if isinstance(paired, ClaimFinding):
            findings.append(replace(paired, setting=setting))
        else:
            findings.append(settle(results, claim, paired, setting))
    return findings


def pairs(
    results: Results, claim: Claim, left: Sequence[CellResult]
) -> list[tuple[CellResult, CellResult | None]] | ClaimFinding:
    """Each cell with its partner: the cell of the same seed that differs in what `than` names and nothing else."""
    if claim.than is None:
        return [(entry, None) for entry in left]
    other = claim.changed(claim.than)
    partners = results.select(other, other.row or left[0].row)
    found: list[tuple[CellResult, CellResult | None]] = []
    for entry in left:
        mine = [part for part in partners if part.seed == entry.seed and alike(results, entry, part, claim.than)]
        if len(mine) > 1:
            reason = f"{len(mine)} cells of {with_words(other)} answer for seed {entry.seed}; the claim is too wide"
            return ClaimFinding(claim, "cannot tell", reason)
        found += [(entry, part) for part in mine]
    if not found:
        return ClaimFinding(
            claim, "cannot tell", f"tier {results.tier} has no cells of {with_words(other)} to compare with"
        )
    return found


def alike(results: Results, left: CellResult, right: CellResult, than: Aspect) -> bool:
    """Whether two cells share everything but what `than` names."""
    moved = {name for name in FILTERED if getattr(than, name) is not None}
    for axis in AXES:
        if axis == "recipe" and moved:
            continue
        if stripped(left.axis(axis), getattr(than, axis, None)) != stripped(
            right.axis(axis), getattr(than, axis, None)
        ):
            return False
    dense = left.row in results.dense_rows or right.row in results.dense_rows
    return dense or than.density is not None or left.density == right.density


def stripped(choice: str, change: Filter | None) -> Any:
    """A choice without what `than` changes of it: everything, if it names another."""
    if change is None:
        return choice
    if change.name:
        return None
    name, _, options = choice.partition(" ")
    return name, {key: value for key, value in json.loads(options or "{}").items() if key not in change.options}


def settle(
    results: Results,
    claim: Claim,
    paired: Sequence[tuple[CellResult, CellResult | None]],
    setting: tuple[tuple[str, Any], ...],
) -> ClaimFinding:
    """The verdict on a claim in one setting, from its pairs of cells with the same seed."""
    other = claim.changed(claim.than) if claim.than else claim
    values: list[float] = []
    gaps: dict[str, list[int]] = {}
    for left, right in paired:
        mine = number_of(results, claim, left)
        theirs = number_of(results, other, right) if right else 0.0
        if mine is None:
            gaps.setdefault(gap_of(claim, left), []).append(left.seed)
        if theirs is None and right:
            gaps.setdefault(gap_of(other, right), []).append(right.seed)
        if mine is None or theirs is None:
            continue
        if claim.compare == "ratio" and min(mine, theirs) <= 0:
            gaps.setdefault(f"{left.row}: no ratio of {mine:g} to {theirs:g}", []).append(left.seed)
        else:
            values.append(math.log(mine) - math.log(theirs) if claim.compare == "ratio" else mine - theirs)
    if gaps:
        shown = (f"{gap} (seed {', '.join(map(str, dict.fromkeys(seeds)))})" for gap, seeds in gaps.items())
        absent = not values and all(gap.endswith(f": {MISSING}") for gap in gaps)
        return ClaimFinding(claim, "cannot tell", "; ".join(shown), setting, None, len(values), absent)
    if len(values) < FEWEST:
        reason = f"{len(values)} common seeds; at least {FEWEST} are needed"
        return ClaimFinding(claim, "cannot tell", reason, setting, None, len(values))
    interval = t_interval(values)
    if claim.compare == "ratio":
        interval = Interval(*(math.exp(side) for side in (interval.mean, interval.low, interval.high)))
    verdict = weigh(interval, claim)
    bound = claim.value if claim.compare == "difference" or claim.value else 1.0
    reason = f"the interval holds {bound:g}" if verdict == "cannot tell" else ""
    if len(set(values)) == 1:
        reason = "; ".join(part for part in (reason, "every seed gives the same, which leaves no interval") if part)
    return ClaimFinding(claim, verdict, reason, setting, interval, len(values))


def number_of(results: Results, aspect: Aspect, entry: CellResult) -> float | None:
    """A cell's number. A run that diverged has reached no level; of other numbers it has none."""
    if aspect.measure == "reaches" and entry.status == "diverged":
        return 0.0
    if not entry.judged:
        return None
    return measured(aspect, entry.record, results.curve(entry, aspect), entry.probes)


def gap_of(aspect: Aspect, entry: CellResult) -> str:
    """Why a cell has no such number."""
    who = entry.row
    if not entry.judged:
        return f"{who}: {entry.status}"
    if aspect.measure in ("x_to", "rise", "flops_to", "parameters_to"):
        return f"{who}: never reaches {aspect.level:g}"
    if aspect.measure == "value":
        return f"{who}: no value at {aspect.x:g}"
    if aspect.measure == "probe":
        return f"{who}: no probe {aspect.probe}"
    return f"{who}: no {aspect.measure or 'headline'}"


def with_words(aspect: Aspect) -> str:
    """The cells of an aspect, in words."""
    parts = [aspect.row] if aspect.row else []
    for axis in FILTERED:
        choice: Filter | None = getattr(aspect, axis)
        if choice is not None:
            options = " ".join(f"{key}={json.dumps(value)}" for key, value in choice.options.items())
            parts.append(" ".join(part for part in (axis, choice.name, options) if part))
    return ", ".join(parts + ([f"density {aspect.density:g}"] if aspect.density is not None else [])) or "this claim"
