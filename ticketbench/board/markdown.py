"""A board in Markdown, for a code host. All text from outside is data: nothing in it can become markup."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ticketbench.board.costs import BoardCost, tabled
from ticketbench.board.markdown_first import first_parts
from ticketbench.board.place import Place, Standing
from ticketbench.board.seen import Seen
from ticketbench.board.shown_bout import trouble_words
from ticketbench.board.summaries import summaries_of
from ticketbench.board.table import Table
from ticketbench.board.words import (
    amount_text,
    clean,
    escaped,
    interval_text,
    line_names,
    links_of,
    p_text,
    plain_facts,
    rank_text,
    setting_names,
    trouble_text,
)
from ticketbench.render.sketch import SIGNS
from ticketbench.store.schema import Environment
from ticketbench.suite.paper import Metric

MARK = "<!-- made by `ticketbench board build`: edit about.md, not this file -->"
MOST_LINES = 60
"""Lines of one setting; the page has all."""
MOST_SETTINGS = 40


def board_markdown(
    title: str,
    about: str,
    tables: Sequence[Table],
    troubles: Sequence[str],
    pictures: Sequence[tuple[str, str]],
    seen: Seen,
) -> str:
    """The README.md of a board: every table with its ranks, costs and notes, and links to the charts."""
    parts = [MARK, f"# {escaped(title)}", *first_parts(seen)]
    parts += ["## About this board", about.strip()] if about.strip() else []
    parts.append(
        "[The page](index.html) has all of this with filters, charts, and every number seed by seed; it opens from "
        "disk. Means have 95 % intervals over seeds. ▲ better, ▼ worse, ≈ as good within the "
        "suite's margin, ○ cannot tell: t-tests of differences on the same seeds at 5 %, "
        "corrected together (Holm). **Bold** differences are stated beforehand, in a question or a claim; all "
        "others are exploratory. A range of ranks holds every rank that an "
        "entry may have; entries that cannot be told apart share it."
    )
    if troubles:
        parts.append("**Set aside**\n\n" + "\n".join(f"- {escaped(trouble, 600)}" for trouble in troubles))
    for table in tables:
        parts.append(f"## {escaped(table.title.capitalize())}")
        parts += ["\n".join(f"- {escaped(note, 600)}" for note in table.notes)] if table.notes else []
        parts += summary_parts(table)
        parts += setting_parts(table)
        parts.append(provenance(table))
    parts += ["## Charts"] if pictures else []
    parts += [picture(words, quote(place)) for words, place in pictures]
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(words: str, place: str) -> str:
    """A chart as Markdown, with its words below it."""
    return f"![{escaped(words)}]({place})\n{escaped(words)}"


def summary_parts(table: Table) -> list[str]:
    """What stands at the top of a table: how every row does over many places, and how far down it is as good as dense.

    A mark stands before the difference that it is of.
    """
    parts = []
    for one in summaries_of(table):
        word = "Overall: " if one.marked is not None else ""
        parts.append(f"### {escaped(word + one.title, 600)}")
        body = [list(map(escaped, one.columns)), ["---"] * len(one.columns)]
        for line, mark in zip(one.lines[:MOST_LINES], one.marks, strict=False):
            cells = [escaped(cell) for cell in line]
            if mark is not None and one.marked is not None:
                cells[one.marked] = f"{SIGNS[mark]} {cells[one.marked]}"
            body.append(cells)
        if one.lines:
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in body))
        left = len(one.lines) - MOST_LINES
        more = [f"and {left} more lines: `ticketbench board export` has all"] if left > 0 else []
        notes = [escaped(note, 600) for note in one.notes]
        more += [f"and {len(notes) - MOST_LINES} more"] if len(notes) > MOST_LINES else []
        parts.append("\n".join(f"- {note}" for note in notes[:MOST_LINES] + more))
    return parts


def setting_parts(table: Table) -> list[str]:
    """A heading, a table and the incomplete entries of each setting."""
    names = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
    lines = line_names(table)
    parts = []
    for setting, name in list(names.items())[:MOST_SETTINGS]:
        places = [place for place in table.places if place.setting == setting]
        metric = table.metrics[places[0].metric]
        parts.append(f"### {escaped(name)}: {escaped(metric.title)}{', %' if metric.percent else ''}")
        costs = tabled(one.line for place in places for one in place.standings)
        rows = [
            markdown_row(place, one, table, metric, lines[one.line.identity], costs)
            for place in places
            for one in place.standings
        ]
        against = [f"less {escaped(row)}" for row in table.against]
        head = ["density", "rank", "row", "mean", *against, *(cost.heading for cost in costs)]
        if rows:
            body = [head, ["---"] * len(head), *rows[:MOST_LINES]]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in body))
        if len(rows) > MOST_LINES:
            parts.append(f"and {len(rows) - MOST_LINES} more lines, on [the page](index.html)")
        missing = [
            f"- {escaped(lines[line.identity])}, density {place.density:.4g}: "
            f"{escaped(trouble_text(line.troubles(place.seeds)))}"
            for place in places
            for line in place.incomplete
        ]
        if missing:
            more = [f"- and {len(missing) - MOST_LINES} more"] if len(missing) > MOST_LINES else []
            parts.append("Incomplete, not ranked:\n\n" + "\n".join(missing[:MOST_LINES] + more))
    if len(names) > MOST_SETTINGS:
        parts.append(f"and {len(names) - MOST_SETTINGS} more settings, on [the page](index.html)")
    return parts


def markdown_row(
    place: Place, one: Standing, table: Table, metric: Metric, name: str, costs: Sequence[BoardCost]
) -> list[str]:
    """A complete entry as the cells of a row: density, ranks, name, mean, comparisons and costs."""
    troubles = trouble_words(one.line, place)
    mean = f"{interval_text(one.interval, metric)}{f' ({troubles})' if troubles else ''}"
    cells = [f"{place.density:.4g}", rank_text(one.ranks), escaped(name), mean]
    for row in table.against:
        found = one.against.get(row)
        if found is None:
            cells.append("")
        else:
            shown = f"{SIGNS[found.mark]} {found.mark} {interval_text(found.interval, metric, True)}"
            shown += f", p {p_text(found.corrected)}"
            cells.append(f"**{shown}**" if row in one.stated else shown)
    return [*cells, *(amount_text(one.line.costs.get(cost.name)) for cost in costs)]


def provenance(table: Table) -> str:
    """Who handed in what, and on what it was computed."""
    lines = [
        f"- [{escaped(name)}](submissions/{quote(name)})"
        + "".join(f"; {escaped(key)}: {escaped(value)}" for key, value in plain_facts(facts).items())
        + "".join(f"; [{kind} on {escaped(host)}]({link_target(address)})" for kind, address, host in links_of(facts))
        for name, facts in sorted(table.submissions.items())
    ]
    made = [f"- {escaped(environment_text(row), 600)}" for _, row in sorted(table.environments.items())]
    more = [f"- and {len(lines) - MOST_LINES} more submissions"] if len(lines) > MOST_LINES else []
    more_made = [f"- and {len(made) - MOST_LINES} more machines"] if len(made) > MOST_LINES else []
    return "\n".join(["Submissions and machines:", "", *lines[:MOST_LINES], *more, *made[:MOST_LINES], *more_made])


def link_target(address: str) -> str:
    """An address that was checked, as the target of a link: an ampersand begins no entity."""
    return address.replace("&", "&amp;")


def environment_text(made: Environment) -> str:
    """An environment in one line: versions, commit, machine, and the plugins of others."""
    commit = f"{(made.commit or 'no commit')[:12]}{', changed since' if made.dirty else ''}"
    parts = [
        f"ticketbench {made.ticketbench} ({commit})",
        f"Python {made.python}",
        f"torch {made.torch}",
        made.system,
        made.processor,
        made.accelerators,
        outside(made.plugins),
    ]
    return ", ".join(clean(part) for part in parts if part)


def outside(plugins: str) -> str:
    """The plugins that are not ticketbench's own."""
    found = [part for part in plugins.split(", ") if part and not part.startswith("ticketbench ")]
    return f"plugins {', '.join(found)}" if found else ""


def is_made(path: Path) -> bool:
    """Whether a file was written by this module, so that it may be written again."""
    if not path.exists():
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip() == MARK
