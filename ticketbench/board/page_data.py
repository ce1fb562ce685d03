"""What a page's script reads: a table as arrays, with every text once, and each line's records seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ticketbench.board.costs import COSTS
from ticketbench.board.lines import Line, Subject
from ticketbench.board.markdown import environment_text
from ticketbench.board.place import Place, Standing
from ticketbench.board.table import Table
from ticketbench.board.words import (
    all_lines,
    choice_names,
    clean,
    clean_long,
    family,
    line_names,
    links_of,
    plain_facts,
    setting_names,
    spelled,
    trouble_text,
)
from ticketbench.render.numbers import NONE
from ticketbench.results.standard import MARKS, Comparison

DIGITS = 6
"""Of a number on the page; the records have all."""
FINE = "ok"
"""The status that is not written out."""


def table_facts(table: Table) -> dict[str, Any]:
    """What stands once for a table: names, notes, machines, submissions."""
    metrics = [
        {"title": clean(metric.title), "percent": metric.percent, "higher": metric.higher_is_better}
        for metric in table.metrics.values()
    ]
    return {
        "title": table.title,
        "notes": [clean_long(note) for note in table.notes],
        "metrics": metrics,
        "against": [clean(row) for row in table.against],
        "comparisons": table.comparisons,
        "environments": [clean_long(environment_text(table.environments[key])) for key in sorted(table.environments)],
        "submissions": {clean(name): facts_text(facts) for name, facts in table.submissions.items()},
        "links": {clean(name): found for name, facts in table.submissions.items() if (found := links_of(facts))},
    }


def page_table(table: Table, charts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table for the page's script, in the order that `board.js` reads.

    A row is a line's number, a place's number, ranks, mean and interval, differences, costs and records.
    """
    settings = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
    lines, numbers = described_lines(table)
    where = {setting: at for at, setting in enumerate(settings)}
    metrics = {name: at for at, name in enumerate(table.metrics)}
    made = {key: at for at, key in enumerate(sorted(table.environments))}
    rows: list[list[Any]] = []
    incomplete: list[list[Any]] = []
    places: list[list[Any]] = []
    for at, place in enumerate(table.places):
        places.append([where[place.setting], place.density, metrics[place.metric], list(place.seeds)])
        rows += [
            [numbers[series(one.line)], at, *standing(one, table), records(one.line, place, made)]
            for one in place.standings
        ]
        for line in place.incomplete:
            trouble = trouble_text(line.troubles(place.seeds))
            incomplete.append([numbers[series(line)], at, trouble, records(line, place, made)])
    return {
        **table_facts(table),
        "settings": list(settings.values()),
        "axes": axis_names(list(settings)),
        "full": [[spelled(part) for part in setting] for setting in settings],
        "lines": lines,
        "places": places,
        "rows": rows,
        "incomplete": incomplete,
        "charts": charts,
    }


def series(line: Line) -> tuple[str, str, str, str]:
    """What a line is at every place: a row of a submission, and what that is."""
    return line.submission, line.row, line.method, line.scorer


def described_lines(table: Table) -> tuple[list[list[str]], dict[tuple[str, str, str, str], int]]:
    """For each line its submission, row, name, method, family of methods, scorer and its family; and its number."""
    names = line_names(table)
    found = {series(line): names[line.identity] for line in all_lines(table)}
    described = [
        [clean(submission), clean(row), name, spelled(method), family(method), spelled(scorer) or NONE, family(scorer)]
        for (submission, row, method, scorer), name in found.items()
    ]
    return described, {key: at for at, key in enumerate(found)}


def axis_names(settings: Sequence[Subject]) -> list[list[str]]:
    """For each setting its task, model, protocol, initializer and recipe, as short as tells them apart."""
    names = [choice_names([setting[axis] for setting in settings]) for axis in range(len(Subject._fields))]
    return [[known[choice] for known, choice in zip(names, setting, strict=True)] for setting in settings]


def standing(one: Standing, table: Table) -> list[Any]:
    """Ranks, mean and interval, differences, and a number for each of `COSTS`."""
    apart = []
    for row in table.against:
        found = one.against.get(row)
        apart.append(None if found is None else difference_numbers(found, row in one.stated))
    costs = [tidy(one.line.costs.get(cost.name)) for cost in COSTS]
    interval = one.interval
    return [one.ranks.first, one.ranks.last, tidy(interval.mean), tidy(interval.low), tidy(interval.high), apart, costs]


def difference_numbers(found: Comparison, stated: bool) -> list[Any]:
    """Mean and interval of a difference, both p, its mark's place in `MARKS`, a value a seed, 1 if stated."""
    return [
        tidy(found.interval.mean),
        tidy(found.interval.low),
        tidy(found.interval.high),
        tidy(found.p),
        tidy(found.corrected),
        MARKS.index(found.mark),
        [tidy(value) for value in found.differences],
        int(stated),
    ]


def records(line: Line, place: Place, made: Mapping[str, int]) -> list[Any]:
    """Seed by seed: those of the place first, with the ones that are missing, then others that the line has.

    Values, keys, the machine (one number where all seeds share it), then, where there is such a thing: status and
    reason of seeds that are not simply fine, and the seeds that do not count.
    """
    others = [seed for seed in line.seeds if seed not in place.seeds]
    found = [line.seeds.get(seed) for seed in (*place.seeds, *others)]
    machines = [made.get(one.environment) if one else None for one in found]
    odd: dict[int, list[str]] = {}
    for at, one in enumerate(found):
        if one is None:
            odd[at] = ["missing", ""]
        elif one.status != FINE or one.reason:
            odd[at] = [clean(one.status), clean(one.reason)]
    values, keys = [tidy(one.value) if one else None for one in found], [clean(one.key) if one else "" for one in found]
    packed = [values, keys, machines[0] if len(set(machines)) == 1 else machines]
    if odd or others:
        packed.append(odd)
    if others:
        packed.append(others)
    return packed


def tidy(value: float | None) -> float | None:
    """A number with the digits that the page shows; None where it is none. A whole number loses its point."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def facts_text(facts: Mapping[str, str]) -> str:
    """What a submitter says, in one line."""
    return clean_long("; ".join(f"{key}: {value}" for key, value in plain_facts(facts).items()))
