"""A board's page: one HTML file that needs nothing besides itself. All text is data and is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from ticketbench.board.costs import COSTS
from ticketbench.board.page_data import page_table
from ticketbench.board.table import Table
from ticketbench.board.words import clean_long
from ticketbench.render.chart_code import chart_library


def board_page(
    title: str,
    summary: str,
    about: str,
    tables: Sequence[Table],
    troubles: Sequence[str],
    charts: Sequence[Mapping[str, Mapping[str, Any]]],
) -> str:
    """The page's text. `charts` has, for each table, setting name -> kind -> Vega-Lite."""
    data = {
        "costs": [cost._asdict() for cost in COSTS],
        "tables": [page_table(table, drawn) for table, drawn in zip(tables, charts, strict=True)],
    }
    return page(
        "board.html",
        title=title,
        summary=summary,
        about=preface(about),
        troubles=[clean_long(trouble) for trouble in troubles],
        data=data,
        charts=chart_library() if any(charts) else "",
    )


def page(name: str, **facts: Any) -> str:
    """A template with its facts and the table library."""
    code, style = table_library()
    return templates().get_template(name).render(**facts, table_code=code, table_style=style)


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


@cache
def table_library() -> tuple[str, str]:
    """DataTables with jQuery, as itables ships it: code that sets window.DataTable and window.jQuery, and its style."""
    folder = files("itables") / "html"
    code = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    names = re.search(r"export\{([^}]*)\}", code)
    if names is None:
        raise RuntimeError("itables' bundle exports nothing: this ticketbench knows itables 2.9")
    exported = {public: own for own, _, public in (pair.partition(" as ") for pair in names[1].split(","))}
    hand_over = f"window.DataTable={exported['default']};window.jQuery={exported['jQuery']};"
    code = code[: names.start()] + hand_over + code[names.end() :]
    code = re.sub(r"<(/script|!--)", r"<\\\1", code, flags=re.IGNORECASE)
    return code, (folder / "dt_bundle.css").read_text(encoding="utf-8")


def preface(about: str) -> Markup:
    """The hand-written preface as HTML: Markdown with tables; HTML in it stays text, and pictures become links."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return Markup(reader.render(about.replace("![", "["))) if about.strip() else Markup("")
