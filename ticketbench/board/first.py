"""First: what a stranger reads on a board's first screen, as text: who wins, by how much, how sure, at what cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from ticketbench.board.bout import Bout, Entrant, cost_words, drawn_ends, spread
from ticketbench.board.lead import Lead
from ticketbench.board.words import p_text
from ticketbench.render.end_labels import brief
from ticketbench.render.sentences import share_words
from ticketbench.render.sketch import SIGNS, Difference, SketchLine, drawn_bar, drawn_curves, drawn_differences
from ticketbench.results.standard import Mark
from ticketbench.suite.questions import FEWEST_SEEDS, TRIED

MARK_SAID: dict[Mark, str] = {"better": "better", "as good": "as good", "worse": "worse", "cannot tell": "cannot tell"}
MOST_CURVES, MOST_DIFFERENCES = 4, 8
"""Lines of a sketch beside that of the other side; differences of one."""


@dataclass(frozen=True)
class EntrantWords:
    """One comparison as pages and Markdown write it."""

    name: str
    where: str
    """Context and density."""
    mark: Mark
    sign: str
    word: str
    than: str
    difference: str
    score: str
    their_score: str
    sure: str
    cost: str
    troubles: str
    note: str
    needed: str
    p: str
    seeds: int
    bar: Markup = field(default=Markup(""), compare=False)


@dataclass(frozen=True)
class First:
    """A board's first screen."""

    answer: str
    winner: str
    mark: Mark
    sign: str
    beaten: str
    """How the winner stands to the next, in a clause."""
    how_sure: str
    cost: str
    rows: tuple[EntrantWords, ...]
    stated: bool
    question: str
    sketch: Markup
    where: str
    difference: str
    their_score: str
    than: str


def first_of(lead: Lead) -> First:
    """What a lead says, in words and as a small picture."""
    bout, best = lead.bout, lead.best
    reach = spread(lead.beside, bout.margin)
    rows = tuple(entrant_words(one, bout, reach) for one in lead.beside)
    own = entrant_words(best, bout)
    answer = lead.answer if bout.decided else f"Nobody wins yet. {lead.answer[0].upper()}{lead.answer[1:]}"
    most = max((one.seeds for one in bout.entrants), default=0)
    if not bout.decided and most < FEWEST_SEEDS:
        answer += f" With {most} seed{'s' * (most != 1)} nothing is decided: it takes {FEWEST_SEEDS}."
    wins = lead.mark in ("better", "as good")
    cost = own.cost if wins or lead.mark == "cannot tell" else cost_words(best.theirs.spent, best.mine.spent, own.name)
    beaten = f"{own.sign} {own.word} {'as' if lead.mark == 'as good' else 'than'} {bout.than}: {own.difference}"
    if not wins:
        leading = "the best other" if lead.mark == "worse" else "the best mean"
        beaten = f"{leading}, {own.name}, {own.sign} {own.word}: {own.difference}"
    return First(
        answer=answer,
        winner=lead.winner,
        mark=lead.mark,
        sign=own.sign,
        beaten=beaten,
        how_sure=own.sure,
        cost=cost,
        rows=rows,
        stated=bout.stated,
        question=bout.text,
        sketch=sketched(lead),
        where=own.where,
        difference=own.difference,
        their_score=own.their_score,
        than=bout.than,
    )


def entrant_words(one: Entrant, bout: Bout, reach: float | None = None) -> EntrantWords:
    """A comparison as text, with its bar."""
    said = one.said
    at = f"at {share_words(said.density)} of the weights" if said.density is not None else ""
    p = p_text(one.p) if one.p is not None and one.seeds >= FEWEST_SEEDS else ""
    shown = f"p {'' if p.startswith('<') else '= '}{p}, " if p else ""
    bar = Markup("")
    if one.interval is not None:
        low, high = drawn_ends(one.interval)
        difference = Difference(said.name, said.mark, one.interval.mean, low, high)
        bar = Markup(drawn_bar(difference, reach or spread(bout.entrants, bout.margin), bout.margin))
    return EntrantWords(
        name=said.name,
        where=" ".join(part for part in (said.context, at) if part),
        mark=said.mark,
        sign=SIGNS[said.mark],
        word=MARK_SAID[said.mark],
        than=bout.than,
        difference=one.difference,
        score=one.mine.score,
        their_score=one.theirs.score,
        sure=f"{shown}{one.sure}",
        cost=cost_words(one.mine.spent, one.theirs.spent, bout.than),
        troubles=one.mine.troubles,
        note=one.note,
        needed=one.needed,
        p=p,
        seeds=one.seeds,
        bar=bar,
    )


def sketched(lead: Lead) -> Markup:
    """Lines over densities where there are several, else the differences of the sides that stand together."""
    bout, context = lead.bout, lead.best.said.context
    mine = [one for one in bout.entrants if one.said.context == context]
    densities = sorted({one.said.density for one in mine if one.said.density is not None}, reverse=True)
    levels = {one.said.density for one in mine if one.said.name == lead.best.said.name and one.mine.level is not None}
    if len(levels) > 1:
        return curves_of(bout, lead, mine, densities)
    rows = [
        Difference(one.said.name, one.said.mark, as_printed(one.interval.mean, bout), *scaled_ends(one, bout))
        for one in sorted(mine, key=lambda one: -one.said.gain)[:MOST_DIFFERENCES]
        if one.interval is not None
    ]
    title = f"less {brief(bout.than)}{', points' if bout.percent else ''}; lines: 95 % intervals"
    margin = as_printed(bout.margin, bout)
    return Markup(drawn_differences(title, bout.than, rows, margin)) if rows else Markup("")


def curves_of(bout: Bout, lead: Lead, mine: Sequence[Entrant], densities: Sequence[float]) -> Markup:
    """The means of the best sides and of the other one, density by density."""
    levels = {(one.said.name, one.said.density): one.mine.level for one in mine}
    other = {one.said.density: one.theirs.level for one in mine}
    here = [one for one in mine if one.said.density == lead.best.said.density]
    names = [one.said.name for one in sorted(here, key=lambda one: -one.said.gain)][:MOST_CURVES]

    def values(found: Sequence[float | None]) -> tuple[float | None, ...]:
        return tuple(None if one is None or not math.isfinite(one) else as_printed(one, bout) for one in found)

    curves = [SketchLine(name, values([levels.get((name, density)) for density in densities])) for name in names]
    curves.append(SketchLine(bout.than, values([other.get(density) for density in densities]), dashed=True))
    known = [one for one in curves if any(value is not None for value in one.values)]
    if not known:
        return Markup("")
    context = f"{lead.best.said.context}, " if lead.best.said.context else ""
    title = f"{context}means by weights kept"
    return Markup(drawn_curves(title, [share_words(one) for one in densities], known, "%" if bout.percent else ""))


def as_printed(value: float, bout: Bout) -> float:
    """A value as it is printed."""
    return 100 * value if bout.percent else value


def scaled_ends(one: Entrant, bout: Bout) -> tuple[float, float]:
    """An interval's ends as they are printed."""
    assert one.interval is not None
    low, high = drawn_ends(one.interval)
    return as_printed(low, bout), as_printed(high, bout)


def tried_words(tier: str) -> str:
    """What a reader of the smallest tier has to know."""
    if tier != TRIED:
        return ""
    return "This tier only shows that everything runs, in seconds: its numbers mean nothing."
