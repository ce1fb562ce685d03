"""Verdicts: what our cells say about a claim of the paper.

A claim is judged once for every setting (task, model, protocol, initializer, recipe, density) that its cells have. Its
number, or the difference of its two sides, less the bound that it is held against, is one comparison of the standard:
it supports the claim where it is shown to lie on the claimed side, contradicts it where it is shown to lie on the
other, and both sides are as good as each other where the difference is shown not to matter. All claims of a suite are
corrected together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from ticketbench.results.pairing import settings_of, with_words
from ticketbench.results.results import Results
from ticketbench.results.sampling import Gathered, gather_sample
from ticketbench.results.scatter import UNKNOWN
from ticketbench.results.standard import Comparison, compare_all, within_bounds
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Claim

ClaimVerdict = Literal["supports", "contradicts", "as good", "cannot tell"]


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
    found: Comparison | None = None
    """Of the number less its bound."""


def claim_samples(results: Results, claim: Claim) -> list[Gathered]:
    """What a claim compares: a sample a setting, or one that says why there is none."""
    if claim.tiers and results.tier not in claim.tiers:
        return [Gathered((), said=f"it speaks of tier {' or '.join(claim.tiers)}, not of {results.tier}")]
    left = results.select(claim, claim.row)
    if not left:
        return [Gathered((), said=f"tier {results.tier} has no cells of {with_words(claim)}")]
    strict = claim.expect in ("higher", "lower")
    found = []
    for entries in settings_of(left).values():
        one = gather_sample(
            results,
            claim,
            claim.than,
            entries,
            compare=claim.compare,
            bound=claim.value,
            margin=None if strict else 0.0,
        )
        if one is not None:
            found.append(one)
    return found or [Gathered((), said=f"tier {results.tier} has no cells of {with_words(claim)} to compare")]


def finding_of(results: Results, claim: Claim, gathered: Gathered, found: Comparison | None) -> ClaimFinding:
    """The verdict on a claim in one setting."""
    setting = tuple(part for part in gathered.setting if part[0] != "row" or claim.row is None)
    if found is None:
        return ClaimFinding(claim, "cannot tell", gathered.said, setting, absent=gathered.absent)
    seeds = len(found.seeds)
    interval = restored(claim, found.interval) if seeds > 1 else None
    if interval and claim.than is None and gathered.metric:
        interval = within_bounds(interval, results.suite.metric(gathered.metric).span)
    parts = [gathered.said, found.note]
    verdict = claim_verdict(claim, found)
    if verdict == "cannot tell" and interval is not None and not found.note:
        parts.append("no difference is shown, nor that there is none")
    if seeds > 1 and len(set(found.differences)) == 1:
        parts.append("every seed gives the same, which leaves no interval")
    reason = "; ".join(part for part in parts if part)
    return ClaimFinding(claim, verdict, reason, setting, interval, seeds, found=found)


def claim_verdict(claim: Claim, found: Comparison) -> ClaimVerdict:
    """What a mark says of what the claim expects."""
    if found.mark in ("cannot tell", "as good"):
        return "as good" if found.mark == "as good" else "cannot tell"
    above = found.interval.mean > 0
    return "supports" if above == (claim.expect in ("higher", "at_least")) else "contradicts"


def restored(claim: Claim, interval: Interval) -> Interval:
    """The interval of the number or the difference itself, to which the bound had been added, or of the ratio."""
    if claim.compare == "ratio":
        bound = math.log(claim.value or 1.0)
        return Interval(*(math.exp(side + bound) for side in (interval.mean, interval.low, interval.high)))
    return Interval(*(side + claim.value for side in (interval.mean, interval.low, interval.high)))


def judge_claim(results: Results, claim: Claim) -> list[ClaimFinding]:
    """The findings on one claim that is judged for itself, as if no other were tested with it."""
    gathered = claim_samples(results, claim)
    held = [one for one in gathered if one.sample is not None]
    compared = compare_all([one.sample for one in held if one.sample is not None], UNKNOWN)
    found = {id(one): comparison for one, comparison in zip(held, compared, strict=True)}
    return [finding_of(results, claim, one, found.get(id(one))) for one in gathered]
