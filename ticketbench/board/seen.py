"""Seen: all that pages and Markdown say of a board before its tables: the answer, the questions, the tallies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.board.asked import AskedBouts
from ticketbench.board.bout import Bout, spread
from ticketbench.board.claims import STATUS_SIGNS, FindingLine, Status, finding_lines, status_of, tally_words
from ticketbench.board.first import MARK_SAID, EntrantWords, First, entrant_words, first_of, tried_words
from ticketbench.board.lead import lead_of
from ticketbench.board.shown_bout import shown_bouts
from ticketbench.board.table import Judged, Table
from ticketbench.render.sentences import MARK_ORDER, sentences
from ticketbench.render.sketch import SIGNS

MOST_COMPARED = 200
"""Comparisons of a question that a page lists."""


@dataclass(frozen=True)
class BoutWords:
    """A question with its answer and its comparisons as text."""

    text: str
    than: str
    answer: str
    rows: tuple[EntrantWords, ...]
    more: int


@dataclass(frozen=True)
class Seen:
    """What is said of a board first."""

    first: First | None
    bouts: tuple[BoutWords, ...]
    """The suite's questions."""
    tally: str
    """Of the questions' comparisons; empty without questions."""
    decided: int
    claims: tuple[tuple[FindingLine, ...], ...]
    """For each claim of the suite."""
    claims_tally: str
    tried: str
    """That the numbers mean nothing, where they do not."""
    nothing: str
    """What is said where there is no answer."""

    @property
    def tallies(self) -> list[str]:
        """The tallies there are, as lines."""
        return [one for one in (self.tally, self.claims_tally) if one]


def seen_of(tier: str, tables: Sequence[Table], judged: Judged | None) -> Seen:
    """What there is to say of a board's tables and of what was judged in its reference submission."""
    asked = AskedBouts(judged.results, judged.judgement).bouts() if judged else []
    lead = lead_of(asked) or lead_of([one for table in tables[:1] for one in shown_bouts(table)])
    claims = tuple(finding_lines(judged, tier)) if judged else ()
    tried = tried_words(tier)
    return Seen(
        first=first_of(lead) if lead else None,
        bouts=tuple(bout_words(one) for one in asked),
        tally=questions_tally(asked),
        decided=sum(one.decided for one in asked),
        claims=claims,
        claims_tally=claims_words(claims),
        tried=tried,
        nothing="Nothing can be compared yet: no two complete entries share their seeds and their place.",
    )


def bout_words(bout: Bout) -> BoutWords:
    """A question as text."""
    reach = spread(bout.entrants, bout.margin)
    rows = tuple(entrant_words(one, bout, reach) for one in bout.entrants[:MOST_COMPARED])
    answer = sentences([one.said for one in bout.entrants], bout.than)
    return BoutWords(bout.text, bout.than, answer, rows, len(bout.entrants) - len(rows))


def questions_tally(bouts: Sequence[Bout]) -> str:
    """How many comparisons of the questions have each mark."""
    marks = Counter(one.said.mark for bout in bouts for one in bout.entrants)
    if not marks:
        return ""
    whole = sum(marks.values())
    parts = ", ".join(f"{SIGNS[mark]} {marks[mark]} {MARK_SAID[mark]}" for mark in MARK_ORDER)
    return f"{whole - marks['cannot tell']} of {whole} comparisons of the questions are decided: {parts}."


def claims_words(claims: Sequence[Sequence[FindingLine]]) -> str:
    """How the paper's claims stand at this tier."""
    if not claims:
        return ""
    counts: Counter[Status] = Counter(status_of(found) for found in claims)
    return f"The paper's {len(claims)} claims at this tier: {tally_words({key: counts[key] for key in STATUS_SIGNS})}."
