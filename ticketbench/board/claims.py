"""Claims over all boards: what the papers say, and what the largest tier that can judge it has to say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ticketbench.board.table import Judged
from ticketbench.render.findings import finding_words
from ticketbench.results.verdicts import ClaimFinding, ClaimVerdict
from ticketbench.suite.suite import Suite
from ticketbench.suite.tiers import TIERS

Status = Literal["supported", "contradicted", "as good", "mixed", "open"]
CLAIM_STATUSES: tuple[Status, ...] = ("supported", "contradicted", "as good", "mixed", "open")
STATUS_SIGNS: Mapping[Status, str] = {
    "supported": "✓",
    "contradicted": "✗",
    "as good": "≈",
    "mixed": "±",
    "open": "○",
}
STATUS_OF: Mapping[ClaimVerdict, Status] = {
    "supports": "supported",
    "contradicts": "contradicted",
    "as good": "as good",
    "cannot tell": "open",
}


@dataclass(frozen=True)
class FindingLine:
    """A finding in one setting of one tier, as text."""

    tier: str
    status: Status
    setting: str
    ours: str
    seeds: int
    paper: str
    reason: str


@dataclass(frozen=True)
class ClaimLine:
    """A claim with its findings in the tier that judges it."""

    suite: str
    number: int
    text: str
    source: str
    paper: str
    tier: str
    """Where the findings are from; empty where no board's tier has anything to say."""
    status: Status
    findings: tuple[FindingLine, ...]
    others: tuple[FindingLine, ...] = ()
    """Of smaller tiers."""


def finding_lines(judged: Judged, tier: str) -> list[tuple[FindingLine, ...]]:
    """For each claim of a suite what a board's reference submission has to say, in the suite's order."""
    return [tuple(finding_line(judged, tier, finding) for finding in findings) for findings in judged.judgement.claims]


def finding_line(judged: Judged, tier: str, finding: ClaimFinding) -> FindingLine:
    """A finding as text."""
    words = finding_words(judged.results, finding)
    seeds = finding.seeds
    return FindingLine(tier, STATUS_OF[finding.verdict], words.setting, words.ours, seeds, words.paper, finding.reason)


def claim_lines(suite: Suite, tiers: Mapping[str, Sequence[tuple[FindingLine, ...]]]) -> list[ClaimLine]:
    """The claims of one suite, each by the largest tier that can judge it, else by the largest that has numbers."""
    ordered = sorted(tiers, key=TIERS.index, reverse=True)
    found = []
    for at, claim in enumerate(suite.claims):
        by_tier = {tier: tiers[tier][at] for tier in ordered}
        chosen = judging(by_tier)
        mine = by_tier.get(chosen, ()) or by_tier[ordered[0]]
        others = [line for tier, lines in by_tier.items() if tier != chosen for line in lines if line.seeds]
        paper = next((line.paper for line in mine if line.paper), "")
        status = status_of(mine)
        found.append(
            ClaimLine(suite.name, at + 1, claim.text, claim.source, paper, chosen, status, mine, tuple(others))
        )
    return found


def judging(by_tier: Mapping[str, Sequence[FindingLine]]) -> str:
    """The first tier that decides something, else the first that has numbers; empty where none has."""
    for tier, lines in by_tier.items():
        if any(line.status != "open" for line in lines):
            return tier
    return next((tier for tier, lines in by_tier.items() if any(line.seeds for line in lines)), "")


def status_of(findings: Sequence[FindingLine]) -> Status:
    """A claim's status: that of its decided settings where they agree."""
    decided = {line.status for line in findings} - {"open"}
    if len(decided) > 1:
        return "mixed"
    return decided.pop() if decided else "open"


def claims_tally(claims: Sequence[ClaimLine]) -> dict[Status, int]:
    """How many claims have each status."""
    counts = Counter(claim.status for claim in claims)
    return {status: counts[status] for status in CLAIM_STATUSES}


def tally_words(counts: Mapping[Status, int]) -> str:
    """A tally in one line: "✓ 3 supported, ✗ 2 contradicted, ≈ 0 as good, ○ 4 open"."""
    shown = [status for status in CLAIM_STATUSES if counts[status] or status != "mixed"]
    return ", ".join(f"{STATUS_SIGNS[status]} {counts[status]} {status}" for status in shown)
