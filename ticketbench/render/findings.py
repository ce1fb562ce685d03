"""Findings on claims in words: our number with its interval, the paper's, and the setting."""

from __future__ import annotations

from typing import Any, NamedTuple

from ticketbench.render.labels import short
from ticketbench.render.numbers import quantity
from ticketbench.results.measures import unit_of
from ticketbench.results.results import CellResult, Results
from ticketbench.results.verdicts import ClaimFinding


class FindingWords(NamedTuple):
    """The numbers of a finding as text; empty where there is none."""

    ours: str
    paper: str
    setting: str


def finding_words(results: Results, finding: ClaimFinding) -> FindingWords:
    """What was found about a claim in one setting, with units."""
    claim = finding.claim
    headline = results.suite.headline_of(str(dict(finding.setting).get("task", "")))
    metric = results.suite.metric(claim.metric or headline.metric)
    x_title = claim.x_name or results.x_name(claim, claim.row) or "x"
    unit = unit_of(claim.measure or "headline", x_title)
    difference = claim.than is not None
    ours = ""
    if finding.interval and claim.compare == "ratio":
        ours = f"×{finding.interval.mean:.3g} [×{finding.interval.low:.3g}, ×{finding.interval.high:.3g}]"
    elif finding.interval:
        low, high = (
            quantity(side, unit, metric, "", difference).split()[0]
            for side in (finding.interval.low, finding.interval.high)
        )
        ours = f"{quantity(finding.interval.mean, unit, metric, x_title, difference)} [{low}, {high}]"
    if claim.paper is not None and claim.compare == "ratio":
        paper = f"×{claim.paper:.3g}"
    else:
        paper = "" if claim.paper is None else quantity(claim.paper, unit, metric, x_title, difference)
    return FindingWords(ours, paper, setting_text(results, finding.setting))


def setting_text(results: Results, setting: tuple[tuple[str, Any], ...]) -> str:
    """A setting in words: of each choice only what tells it from the others of its task."""
    task = dict(setting).get("task")

    def of_task(entry: CellResult) -> bool:
        return entry.record.task == task

    parts = []
    for axis, choice in setting:
        known = sorted({entry.axis(axis) for entry in results.entries if axis == "task" or of_task(entry)})
        if axis == "density":
            parts.append(f"density {choice:g}")
        elif axis in ("task", "model") or (len(known) > 1 and axis != "recipe"):
            parts.append(short(str(choice), known))
    return ", ".join(parts)
