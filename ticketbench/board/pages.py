"""A board's page: HTML that refers to what all pages share and to nothing else. All text is data and is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from ticketbench.board.assets import shared_files
from ticketbench.board.costs import COSTS
from ticketbench.board.page_data import page_table
from ticketbench.board.seen import Seen
from ticketbench.board.summaries import TopTable, summaries_of
from ticketbench.board.table import Table
from ticketbench.board.words import clean_long, interval_text, line_names, rank_text, setting_names
from ticketbench.render.sketch import SIGNS

MOST_SUMMARY = 60
"""Lines of a table over many places."""
MOST_PLAIN = 40
"""Lines of a page that can be read without scripts; README.md has more."""


def board_page(
    title: str,
    summary: str,
    about: str,
    tables: Sequence[Table],
    troubles: Sequence[str],
    charts: Sequence[Mapping[str, Mapping[str, Any]]],
    seen: Seen,
) -> str:
    """The page's text. `charts` has, for each table, setting name -> kind -> Vega-Lite; `seen` is what comes first."""
    data = {
        "costs": [cost._asdict() for cost in COSTS],
        "tables": [page_table(table, drawn) for table, drawn in zip(tables, charts, strict=True)],
    }
    return page(
        "board.html",
        shared_files("board", "../../", any(charts)),
        title=title,
        summary=summary,
        about=preface(about),
        troubles=[clean_long(trouble) for trouble in troubles],
        data=data,
        plain=plain_tables(tables),
        first=seen.first,
        bouts=seen.bouts,
        tally=seen.tally,
        tallies=seen.tallies,
        overall=[summary_facts(one) for table in tables[:1] for one in summaries_of(table)],
        tried=seen.tried,
        nothing=seen.nothing,
        claims_link="../../claims/index.html" if seen.claims else "",
    )


def summary_facts(one: TopTable) -> dict[str, Any]:
    """A summary for the page: its first lines, each with its mark."""
    lines = [
        {"cells": cells, "mark": mark, "sign": SIGNS[mark] if mark else ""}
        for cells, mark in zip(one.lines[:MOST_SUMMARY], one.marks, strict=False)
    ]
    notes = [*one.notes[:MOST_SUMMARY], *([f"and {left} more"] if (left := len(one.notes) - MOST_SUMMARY) > 0 else [])]
    return {
        "title": one.title,
        "columns": one.columns,
        "marked": one.marked,
        "lines": lines,
        "more": max(0, len(one.lines) - MOST_SUMMARY),
        "notes": notes,
    }


def page(name: str, shared: Mapping[str, Sequence[str]], **facts: Any) -> str:
    """A template with its facts and the addresses of what it shares with other pages."""
    return templates().get_template(name).render(**facts, **shared)


def plain_tables(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The first lines of the first table as words, for readers without scripts."""
    found = []
    for table in tables[:1]:
        names, lines = setting_names(list(dict.fromkeys(place.setting for place in table.places))), line_names(table)
        rows = [
            [
                names[place.setting],
                f"{place.density:.4g}",
                rank_text(one.ranks),
                lines[one.line.identity],
                interval_text(one.interval, table.metrics[place.metric]),
            ]
            for place in table.places
            for one in place.standings
        ]
        if rows:
            found.append({"title": table.title, "rows": rows[:MOST_PLAIN], "count": len(rows)})
    return found


def templates() -> Environment:
    """Where all pages come from: everything is escaped unless a template says that it made it."""
    made = Environment(
        loader=PackageLoader("ticketbench.board", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
    return made


def preface(about: str) -> Markup:
    """The hand-written preface as HTML: Markdown with tables; HTML in it stays text, and pictures become links."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return Markup(reader.render(about.replace("![", "["))) if about.strip() else Markup("")
