"""Answers in words: what the records say to a suite's questions, the same on boards, in reports and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ticketbench.render.labels import short, telling
from ticketbench.render.numbers import NONE, quantity
from ticketbench.results.choice import AXES
from ticketbench.results.judgement import Answer, Compared, Judgement
from ticketbench.results.measures import unit_of
from ticketbench.results.pairing import Side
from ticketbench.results.results import Results
from ticketbench.results.standard import MARKS, Mark

MARK_WORDS: dict[Mark, str] = {
    "better": "better",
    "as good": "as good",
    "worse": "worse",
    "cannot tell": "open",
}
"""A mark in the order in which a reader wants them."""


@dataclass(frozen=True)
class ToldComparison:
    """One comparison of a question as a reader sees it."""

    side: str
    """Its row, and what else tells it from the other sides of the question, but its density."""
    density: float
    than: str
    mark: Mark
    difference: str
    """The mean difference with its interval, or a dash."""
    p: float | None
    """Corrected: that there is no difference, or, where both are as good, that it is as large as the margin."""
    seeds: int
    note: str
    compared: Compared


def told(results: Results, answer: Answer) -> list[ToldComparison]:
    """A question's comparisons, one after the other."""
    settings = [one.gathered.setting for one in answer.compared]
    others = [one.gathered.than for one in answer.compared if one.gathered.than]
    return [
        ToldComparison(
            side=side_words(one.gathered.setting, settings, others),
            density=dict(one.gathered.setting).get("density", 1.0),
            than=other_words(one.gathered.setting, one.gathered.than, [*settings, *others]),
            mark=one.found.mark if one.found else "cannot tell",
            difference=difference_words(results, answer, one),
            p=one.found.telling if one.found else None,
            seeds=len(one.found.seeds) if one.found else 0,
            note="; ".join(part for part in (one.gathered.said, one.found.note if one.found else "") if part),
            compared=one,
        )
        for one in answer.compared
    ]


def side_words(setting: Side, sides: Sequence[Side], thans: Sequence[Side] = ()) -> str:
    """A side by its row, where that differs, and by as little else as tells it from the other sides of a question.

    Of what does tell them apart it has the options that differ from those of any side, or of what is compared with.
    """
    axes = telling_axes(sides)
    mine = dict(setting)
    parts = [words_of(mine, axis, [*sides, *thans]) for axis in axes if axis != "row"]
    if "row" not in axes and parts:
        return " ".join(part.partition(" ")[2] if at == 0 else part for at, part in enumerate(parts))
    return " ".join([str(mine["row"]), *parts])


def telling_axes(others: Sequence[Side]) -> list[str]:
    """The fewest axes, the row first, that tell sides apart as far as anything but the density does."""
    known = [dict(other) for other in others if other]
    found: list[str] = []
    apart = 1
    for axis in ("row", *(axis for axis in AXES if axis != "recipe")):
        told_apart = len({tuple(str(one[name]) for name in (*found, axis)) for one in known})
        if told_apart > apart:
            found.append(axis)
            apart = told_apart
    return found


def words_of(side: dict[str, Any], axis: str, others: Sequence[Side]) -> str:
    """What a side has on an axis, with the word that goes before it."""
    known = sorted({str(dict(other)[axis]) for other in others if other})
    names = {choice.partition(" ")[0] for choice in known}
    mine = str(side[axis])
    text = mine.partition(" ")[0] if len(names) == len(known) else telling(mine, known) or short(mine, known)
    return f"{BEFORE[axis]} {text}"


BEFORE = {"task": "on", "model": "on", "protocol": "by", "initializer": "with"}


def other_words(setting: Side, than: Side, others: Sequence[Side]) -> str:
    """The other side by what it has in place of this side's: its row, or what differs of an axis."""
    if not than:
        return NONE
    mine, theirs = dict(setting), dict(than)
    if mine["row"] != theirs["row"]:
        return str(theirs["row"])
    changed = [axis for axis in AXES if mine[axis] != theirs[axis] and axis != "recipe"]
    parts = [short(theirs[axis], [mine[axis], *(str(dict(other)[axis]) for other in others)]) for axis in changed]
    return ", ".join(parts) or str(theirs["row"])


def difference_words(results: Results, answer: Answer, one: Compared) -> str:
    """A mean difference with its unit and its interval."""
    if one.found is None or not one.found.seeds:
        return NONE
    question, interval = answer.question, one.found.interval
    headline = results.suite.headline_of(str(dict(one.gathered.setting).get("task", "")))
    metric = results.suite.metric(question.metric or headline.metric)
    unit = unit_of(question.measure or "headline", question.x_name or "")
    mean = quantity(interval.mean, unit, metric, question.x_name or "x", True)
    if not math.isfinite(interval.low) or len(one.found.seeds) < 2:
        return mean
    low, high = (quantity(side, unit, metric, "", True).split()[0] for side in (interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def answer_words(results: Results, answer: Answer) -> str:
    """A question's answer in a line: which sides are better, as good and worse, and what is open."""
    lines = told(results, answer)
    if not lines:
        return f"Tier {results.tier} has none of its cells."
    thans = {line.than for line in lines if line.than != NONE}
    than = f" than {thans.pop()}" if len(thans) == 1 else ""
    heads = {"better": f"Better{than}", "as good": f"As good{than.replace('than', 'as')}", "worse": f"Worse{than}"}
    parts = []
    for mark in MARK_WORDS:
        mine = [line for line in lines if line.mark == mark]
        if mine:
            parts.append(f"{heads.get(mark, 'Open')}: {', '.join(with_densities(mine, lines))}.")
    return " ".join(parts)


def with_densities(lines: Sequence[ToldComparison], all_lines: Sequence[ToldComparison]) -> list[str]:
    """The sides of some comparisons, each once, with the densities at which it is meant where there are several."""
    found: dict[str, list[float]] = {}
    for line in lines:
        found.setdefault(line.side, []).append(line.density)
    words = []
    for side, densities in found.items():
        known = {line.density for line in all_lines if line.side == side}
        several = len({line.density for line in all_lines}) > 1
        whole = not several or (len(known) > 1 and set(densities) == known)
        shown = ", ".join(f"{100 * density:.3g} %" for density in sorted(densities, reverse=True))
        words.append(side if whole else f"{side} ({shown})")
    return words


def tally(answers: Sequence[Answer]) -> dict[Mark, int]:
    """How many comparisons have each mark."""
    found = [one.found.mark if one.found else "cannot tell" for answer in answers for one in answer.compared]
    return {mark: found.count(mark) for mark in MARKS}


def plain_answers(results: Results, judgement: Judgement) -> list[dict[str, Any]]:
    """The comparisons of all questions, for a program to read."""
    return [
        {
            "question": answer.question.name,
            "text": answer.question.text,
            "side": line.side,
            "density": line.density,
            "than": line.than,
            "mark": line.mark,
            "mean": found.interval.mean if found else None,
            "low": found.interval.low if found else None,
            "high": found.interval.high if found else None,
            "margin": found.sample.margin if found else None,
            "p": line.p,
            "alike": found.alike if found else None,
            "seeds": list(found.seeds) if found else [],
            "note": line.note,
        }
        for answer in judgement.answers
        for line in told(results, answer)
        for found in [line.compared.found]
    ]
