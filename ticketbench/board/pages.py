"""A board's page: one HTML file that needs nothing besides itself. All text is data and is escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from ticketbench.board.lines import Line
from ticketbench.board.markdown import environment_text
from ticketbench.board.table import Place, Standing, Table
from ticketbench.board.words import clean, line_names, setting_names, trouble_text
from ticketbench.report.page import library

DIGITS = 7
"""Of a number on the page; the records have all."""


def board_page(
    title: str, summary: str, about: str, tables: Sequence[Table], troubles: Sequence[str],
    charts: Sequence[Mapping[str, Mapping[str, Any]]], pictures: Sequence[tuple[str, str]],
) -> str:  # fmt: skip
    """The page's text. `charts` has, for each table, setting name -> kind -> Vega-Lite."""
    data = {"tables": [plain_table(table, drawn) for table, drawn in zip(tables, charts, strict=True)]}
    return templates().get_template("board.html").render(
        title=title,
        summary=summary,
        about=preface(about),
        tables=tables,
        troubles=[clean_long(trouble) for trouble in troubles],
        pictures=pictures,
        data=data,
        charts=chart_library() if any(charts) else "",
        table_code=table_library()[0],
        table_style=table_library()[1],
    )  # fmt: skip


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
def chart_library() -> str:
    """The charts' JavaScript, made once for all boards."""
    return library()


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


def plain_table(table: Table, charts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table for the page's script: rows as arrays, in the order that `board.js` reads them."""
    settings = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
    names = line_names(table)
    numbers = {setting: at for at, setting in enumerate(settings)}
    made = {key: at for at, key in enumerate(sorted(table.environments))}
    labels = [{"title": metric.title, "percent": metric.percent, "higher": metric.higher_is_better}
              for metric in table.metrics.values()]  # fmt: skip
    metrics = {name: at for at, name in enumerate(table.metrics)}
    rows: list[list[Any]] = []
    incomplete: list[list[Any]] = []
    for place in table.places:
        where = [numbers[place.setting], place.density, metrics[place.metric]]
        rows += [
            [*names_of(one.line, names), *where, *standing(one, table), *record(one.line, place, made)]
            for one in place.standings
        ]
        for line in place.incomplete:
            trouble = trouble_text(line.troubles(place.seeds))
            incomplete.append([*names_of(line, names), *where, trouble, *record(line, place, made)])
    return {
        "title": table.title,
        "notes": [clean_long(note) for note in table.notes],
        "settings": list(settings.values()),
        "full": [[clean(part) for part in setting] for setting in settings],
        "metrics": labels,
        "against": [clean(row) for row in table.against],
        "rows": rows,
        "incomplete": incomplete,
        "environments": [clean_long(environment_text(table.environments[key])) for key in made],
        "submissions": {clean(name): facts_text(facts) for name, facts in table.submissions.items()},
        "charts": charts,
    }


def names_of(line: Line, names: Mapping[tuple[object, ...], str]) -> list[str]:
    """Submission, row, and what the row is."""
    return [
        clean(line.submission),
        clean(line.row),
        names[line.identity],
        clean(f"{line.method} {line.scorer}".strip()),
    ]


def standing(one: Standing, table: Table) -> list[Any]:
    """Ranks, mean and interval, differences, costs."""
    apart = []
    for row in table.against:
        found = one.against.get(row)
        apart.append(
            None if found is None else [
                tidy(found.interval.mean), tidy(found.interval.low), tidy(found.interval.high), tidy(found.p),
                tidy(found.corrected), found.mark, [tidy(value) for value in found.values],
            ]
        )  # fmt: skip
    costs = one.line.costs
    cost = [tidy(costs.get(name)) for name in
            ("draw_seconds", "train_seconds", "draw_flops", "flops", "parameters", "exact_density")]  # fmt: skip
    interval = one.interval
    return [
        one.ranks.first, one.ranks.last, tidy(interval.mean), tidy(interval.low), tidy(interval.high), apart, cost,
    ]  # fmt: skip


def record(line: Line, place: Place, made: Mapping[str, int]) -> list[Any]:
    """Seed by seed: those of the place first, with the ones that are missing, then others that the line has."""
    found: list[list[Any]] = []
    for seed in [*place.seeds, *(seed for seed in line.seeds if seed not in place.seeds)]:
        one = line.seeds.get(seed)
        if one is None:
            found.append([seed, None, "missing", "", None, ""])
        else:
            found.append([seed, tidy(one.value), clean(one.status), clean(one.key), made.get(one.environment),
                          clean(one.reason)])  # fmt: skip
    return [found, len(place.seeds)]


def tidy(value: float | None) -> float | None:
    """A number with the digits that the page shows; None where it is none."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def facts_text(facts: Mapping[str, str]) -> str:
    """What a submitter says, in one line."""
    return clean_long("; ".join(f"{key}: {value}" for key, value in facts.items() if value))


def clean_long(text: str) -> str:
    """A longer text without control characters."""
    return " ".join("".join(part if part.isprintable() else " " for part in text).split())[:600]
