"""The front page over all boards, in Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ticketbench.board.assets import shared_files
from ticketbench.board.claims import ClaimLine, claims_tally, tally_words
from ticketbench.board.markdown import MARK
from ticketbench.board.pages import page, preface
from ticketbench.board.seen import Seen
from ticketbench.board.words import clean, escaped
from ticketbench.suite.tiers import TIERS


@dataclass(frozen=True)
class Shown:
    """What the front page says of a board."""

    suite: str
    tier: str
    title: str
    counts: dict[str, int]
    troubles: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    """Names of plugins, without their options."""
    tables: tuple[str, ...] = ()
    """Version, precision and kind of device of each."""
    answer: str = ""
    """What the board says first."""
    decided: int = 0
    """Comparisons of the suite's questions that are decided."""


FRONT_COUNTS = ("submissions", "places", "entries", "incomplete", "set aside")


def front_markdown(boards: Sequence[Shown], about: str, suites: Sequence[Fronted] = (), claims: int = 0) -> str:
    """The front page of the boards' folder as Markdown: the answers first, then a line with counts for each board."""
    lines = [
        f"| [{escaped(board.suite)}]({address(board, 'README.md')}) | {escaped(board.tier)} "
        f"| {escaped(board.title)} | " + " | ".join(f"{board.counts[name]:,}" for name in FRONT_COUNTS) + " |"
        for board in boards
    ]
    head = ["suite", "tier", "title", *FRONT_COUNTS]
    table = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]
    parts = [MARK, "# Leaderboards", lead_words(len(suites)), overview(suites) if suites else ""]
    if claims:
        parts.append(f"[The papers' claims, {claims} in all](claims/README.md)")
    for one in suites:
        parts += suite_parts(one)
    parts += ["## All boards", about.strip(), FRONT_WORDS, "\n".join(table)]
    return "\n\n".join(part for part in parts if part) + "\n"


def overview(suites: Sequence[Fronted]) -> str:
    """Each suite's answer in a line of a table."""
    rows = [["suite", "who wins", "by how much", "how sure", "at what cost"], ["---"] * 5]
    for one in suites:
        link = f"[{escaped(one.board.suite)}]({address(one.board, 'README.md')})"
        first = one.seen.first
        if first is None:
            rows.append([link, escaped(one.seen.nothing, 600), "", "", ""])
        else:
            where = f" {escaped(first.where)}" if first.where else ""
            said = (escaped(part, 600) for part in (first.beaten, first.how_sure, first.cost))
            rows.append([link, f"**{escaped(first.winner)}**{where}", *said])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def suite_parts(one: Fronted) -> list[str]:
    """A suite's section: its answer, and how questions and claims stand."""
    parts = [f"## [{escaped(one.board.suite)}]({address(one.board, 'README.md')}): {escaped(one.board.title)}"]
    first = one.seen.first
    if first is not None:
        parts.append(f"{escaped(first.question, 600)} (tier {escaped(one.board.tier)})")
        parts.append(f"**{escaped(first.answer, 2000)}**")
        picture = f"![{escaped(first.answer, 600)}]({address(one.board, 'charts/answer.svg')})"
        parts.append(picture if first.sketch else "")
    parts += [escaped(tally, 600) for tally in one.tallies]
    others = ", ".join(f"[{escaped(other.tier)}]({address(other, 'README.md')})" for other in one.others)
    return [*parts, f"Other tiers: {others}" if others else ""]


FRONT_WORDS = (
    "A place is a task, model, protocol, initializer, recipe and density. An entry is a method's cells at a place, one "
    "a seed. Entries that lack a seed or its number are shown as incomplete and never ranked; suite versions, tiers, "
    "precisions and kinds of device never share a table."
)


def lead_words(suites: int) -> str:
    """What this is, in two sentences."""
    papers = f"{suites} paper{'s' * (suites != 1)}"
    return (
        f"Which ways of finding lottery tickets, and of pruning at initialization, win on the problems of {papers}. "
        "Both sides of every comparison have the same seeds, and one standard, fixed beforehand, marks them all."
    )


@dataclass(frozen=True)
class Fronted:
    """A suite on the front page: its best-supported board, and the others."""

    board: Shown
    seen: Seen
    others: tuple[Shown, ...]
    claims_tally: str

    @property
    def tallies(self) -> list[str]:
        """How the questions and the claims stand."""
        return [one for one in (self.seen.tally, self.claims_tally) if one]


def fronted(boards: Sequence[tuple[Shown, Seen]], claims: Sequence[ClaimLine]) -> list[Fronted]:
    """The suites by name, each with the board that decides most; with the largest tier among equals."""
    found = []
    for suite in dict.fromkeys(shown.suite for shown, _ in boards):
        mine = [pair for pair in boards if pair[0].suite == suite]
        best = max(mine, key=lambda pair: (pair[0].decided, pair[1].first is not None, tier_at(pair[0].tier)))
        own = [claim for claim in claims if claim.suite == suite]
        tally = f"The paper's {len(own)} claims, each at the largest tier that can judge it: " if own else ""
        tally += f"{tally_words(claims_tally(own))}." if own else ""
        found.append(Fronted(best[0], best[1], tuple(shown for shown, _ in mine if shown is not best[0]), tally))
    return found


def tier_at(tier: str) -> int:
    """A tier's place from the smallest to the largest."""
    return TIERS.index(tier) if tier in TIERS else -1


def address(board: Shown, page_name: str = "index.html") -> str:
    """Where a board's page is, from the front page."""
    return f"{quote(board.suite)}/{quote(board.tier)}/{page_name}"


def front_page(boards: Sequence[Shown], about: str, suites: Sequence[Fronted] = (), claims: int = 0) -> str:
    """The front page as HTML, with filters; it opens without a network."""
    rows = [
        {
            "suite": clean(board.suite),
            "tier": clean(board.tier),
            "title": clean(board.title),
            "address": address(board),
            "counts": board.counts,
            "tasks": board.tasks,
            "methods": board.methods,
            "tables": board.tables,
        }
        for board in boards
    ]
    return page(
        "front.html",
        shared_files("front", ""),
        title="Leaderboards",
        rows=rows,
        names=FRONT_COUNTS,
        words=FRONT_WORDS,
        about=preface(about),
        lead_words=lead_words(len(suites)),
        suites=[suite_facts(one) for one in suites],
        claims_link="claims/index.html" if claims else "",
        claims_count=claims,
    )


def suite_facts(one: Fronted) -> dict[str, Any]:
    """A suite for the page."""
    return {
        "name": clean(one.board.suite),
        "tier": clean(one.board.tier),
        "title": clean(one.board.title),
        "address": address(one.board),
        "others": [{"tier": clean(other.tier), "address": address(other)} for other in one.others],
        "first": one.seen.first,
        "nothing": one.seen.tried or one.seen.nothing,
        "tallies": one.tallies,
        "claims_link": f"claims/index.html#suite={quote(one.board.suite)}" if one.claims_tally else "",
    }
