"""A report's answers: each question of the suite as a table, with its answer in words above."""

from __future__ import annotations

from ticketbench.render.answers import answer_words, told
from ticketbench.render.numbers import NONE
from ticketbench.report.grids import Grid
from ticketbench.results.judgement import Answer, Judgement
from ticketbench.results.results import Results

ANSWER_COLUMNS = ("side", "density", "than", "difference", "mark", "p", "seeds", "notes")


def answer_grids(results: Results, judgement: Judgement) -> list[Grid]:
    """A table for each question of which there is anything to compare; the answer in words is its first note."""
    return [grid_of(results, answer) for answer in judgement.answers if any(one.found for one in answer.compared)]


def grid_of(results: Results, answer: Answer) -> Grid:
    """One question's comparisons, line by line."""
    lines: list[tuple[str, ...]] = [
        (
            one.side,
            f"{one.density:.4g}",
            one.than,
            one.difference,
            one.mark,
            NONE if one.p is None else f"{one.p:.2g}",
            str(one.seeds),
            one.note,
        )
        for one in told(results, answer)
    ]
    return Grid(answer.question.text, ANSWER_COLUMNS, lines, [answer_words(results, answer)])
