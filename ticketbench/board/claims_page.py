"""The page of claims over all suites, as HTML and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from ticketbench.board.assets import shared_files
from ticketbench.board.claims import (
    CLAIM_STATUSES,
    STATUS_SIGNS,
    ClaimLine,
    FindingLine,
    Status,
    claims_tally,
    tally_words,
)
from ticketbench.board.markdown import MARK
from ticketbench.board.pages import page
from ticketbench.board.words import clean, clean_long, escaped

CLAIMS_FOLDER = "claims"
LOOKS: dict[Status, str] = {
    "supported": "better",
    "contradicted": "worse",
    "as good": "as",
    "mixed": "as",
    "open": "cannot",
}
CLAIMS_WORDS = (
    "Each claim of a suite's paper is an inequality, judged on the records of the board's reference submission, all "
    "claims of a suite corrected together (Holm, 5 %). The largest tier that can judge it does; what others say stands "
    "below, and a tier other than the paper's own is another setting. Open: we cannot tell. As good: the difference is "
    "shown not to matter. Mixed: some settings support the claim and others contradict it."
)


def claims_answer(claims: Sequence[ClaimLine]) -> str:
    """The claims in a sentence."""
    suites = len({claim.suite for claim in claims})
    papers = f"{suites} paper{'s' * (suites != 1)}"
    return f"Of {len(claims)} claims of {papers}: {tally_words(claims_tally(claims))}."


def claims_page(claims: Sequence[ClaimLine]) -> str:
    """All claims with filters; it opens without a network."""
    found = [
        {
            "suite": clean(claim.suite),
            "tier": clean(claim.tier),
            "address": f"{quote(claim.suite)}/{quote(claim.tier)}/index.html",
            "text": clean_long(claim.text),
            "status": claim.status,
            "source": clean_long(claim.source),
            "lines": [line_facts(line, claim) for line in shown_lines(claim)],
        }
        for claim in sorted(claims, key=lambda claim: CLAIM_STATUSES.index(claim.status))
    ]
    suites = dict.fromkeys(claim.suite for claim in claims)
    tallies = [(clean(name), claims_tally([claim for claim in claims if claim.suite == name])) for name in suites]
    return page(
        "claims.html",
        shared_files("claims", "../"),
        title="What the papers claim, and what the records say",
        answer=claims_answer(claims),
        words=CLAIMS_WORDS,
        statuses=[f"{STATUS_SIGNS[status]} {status}" for status in CLAIM_STATUSES],
        tallies=[(name, list(counts.values())) for name, counts in tallies],
        claims=found,
    )


def shown_lines(claim: ClaimLine) -> list[FindingLine]:
    """The findings of the tier that judges it, then those of others, which say so."""
    return [*claim.findings, *claim.others]


def line_facts(line: FindingLine, claim: ClaimLine) -> dict[str, str | int]:
    """A finding for the page."""
    return {
        "status": line.status,
        "sign": STATUS_SIGNS[line.status],
        "look": LOOKS[line.status],
        "ours": clean(line.ours),
        "setting": clean_long(f"tier {line.tier}: {line.setting}" if line.tier != claim.tier else line.setting),
        "seeds": line.seeds,
        "paper": clean(line.paper),
        "reason": clean_long(line.reason),
    }


def claims_markdown(claims: Sequence[ClaimLine]) -> str:
    """All claims as Markdown, suite by suite."""
    parts = [MARK, "# What the papers claim, and what the records say", f"**{claims_answer(claims)}**", CLAIMS_WORDS]
    parts.append("[The page](index.html) has filters; [all boards](../README.md).")
    head = ["claim", "status", "our number [95 % interval]", "seeds", "the paper's", "source, and what ours rests on"]
    for suite in dict.fromkeys(claim.suite for claim in claims):
        parts.append(f"## {escaped(suite)}")
        rows = [
            cells
            for claim in claims
            if claim.suite == suite
            for at, line in enumerate(shown_lines(claim))
            for cells in [markdown_cells(claim, line, at == 0)]
        ]
        body = [head, ["---"] * len(head), *rows]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in body))
    return "\n\n".join(parts) + "\n"


def markdown_cells(claim: ClaimLine, line: FindingLine, first: bool) -> list[str]:
    """A finding as the cells of a row; the claim stands in its first one."""
    place = f" ({escaped(line.tier)})" if line.tier != claim.tier or first else ""
    setting = f"; {escaped(line.setting, 600)}" if line.setting and line.ours else ""
    return [
        escaped(claim.text, 600) if first else "",
        f"{STATUS_SIGNS[line.status]} {line.status}{place}",
        f"{escaped(line.ours)}{setting}" if line.ours else "",
        str(line.seeds or ""),
        escaped(line.paper) if line.paper else "",
        escaped("; ".join(part for part in (claim.source if first else "", line.reason) if part), 600),
    ]
