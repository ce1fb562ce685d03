"""What Markdown says of a board first: the answer, the chart, who wins, and every comparison of the questions."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench.board.first import EntrantWords, First
from ticketbench.board.seen import BoutWords, Seen
from ticketbench.board.words import escaped

FOUR = ("who wins", "by how much", "how sure", "at what cost")
QUESTION_HEAD = ("side", "at", "mark", "difference", "p", "seeds", "mean", "cost", "what it would take, and notes")


def first_parts(seen: Seen) -> list[str]:
    """The first screen, then the questions."""
    parts = [f"**{seen.tried}**" if seen.tried else ""]
    first = seen.first
    if first is None:
        parts.append(seen.nothing)
    else:
        asked = escaped(first.question, 600)
        parts.append(asked if first.stated else f"*Exploratory:* {asked}")
        parts.append(f"**{escaped(first.answer, 2000)}**")
    if first is not None:
        parts.append(f"![{escaped(first.answer, 600)}](charts/answer.svg)" if first.sketch else "")
        parts.append(four_table(first))
    parts += [escaped(tally, 600) for tally in seen.tallies]
    if seen.claims:
        parts.append("[The papers' claims](../../claims/README.md), [all boards](../../README.md)")
    if seen.bouts:
        parts.append("## The questions of the suite")
        parts += [part for bout in seen.bouts for part in bout_parts(bout)]
    return parts


def four_table(first: First) -> str:
    """Who wins, by how much, how sure, at what cost; the winner first."""
    rows = [list(FOUR), ["---"] * 4]
    if first.mark == "worse":
        rows.append(
            [f"**{escaped(first.than)}**", f"wins with {first.their_score}", first.how_sure, escaped(first.cost)]
        )
    if first.mark == "cannot tell":
        rows.append([f"**{first.winner}**", "the best means:", "", ""])
    for at, row in enumerate(first.rows):
        name = escaped(row.name)
        wins = at == 0 and first.mark in ("better", "as good")
        rows.append([f"**{name}**" if wins else name, marked_difference(row), escaped(row.sure), escaped(row.cost)])
    if first.mark != "worse":
        rows.append([escaped(first.than), f"compared with: {first.their_score}", "", ""])
    return markdown_lines(rows)


def marked_difference(row: EntrantWords) -> str:
    """A difference with its mark, and the number it came from."""
    troubles = f", {row.troubles}" if row.troubles else ""
    return f"{row.sign} **{row.word}** {escaped(f'{row.difference} ({row.score}{troubles})')}"


def bout_parts(bout: BoutWords) -> list[str]:
    """A question, its answer, and its comparisons."""
    rows = [list(QUESTION_HEAD), ["---"] * len(QUESTION_HEAD)]
    for row in bout.rows:
        notes = "; ".join(part for part in (row.needed, row.troubles, row.note) if part)
        where = row.where.replace("at ", "").replace(" of the weights", "")
        cells = (row.name, where, f"{row.sign} {row.word}", row.difference, row.p, str(row.seeds), row.score, row.cost)
        rows.append([*map(escaped, cells), escaped(notes, 600)])
    more = f"and {bout.more} more comparisons" if bout.more else ""
    return [f"### {escaped(bout.text, 600)}", escaped(bout.answer, 4000), markdown_lines(rows), more]


def markdown_lines(rows: Sequence[Sequence[str]]) -> str:
    """The rows of a table, its head and a rule first."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
