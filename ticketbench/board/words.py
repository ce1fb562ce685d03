"""Numbers and names as a board shows them, the same in Markdown, on the page and in the terminal."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence

from ticketbench.board.bundle.address import host_of
from ticketbench.board.lines import Line, Subject
from ticketbench.board.submission import LINKED
from ticketbench.board.table import Table
from ticketbench.render.labels import option_text, short
from ticketbench.render.numbers import NONE
from ticketbench.results.standard import RankRange
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Metric

LONGEST_NAME, LONGEST_NOTE = 120, 600
"""Characters of a name, and of a note, that are shown."""


def clean(text: object, longest: int = LONGEST_NAME) -> str:
    """Text from outside on one line, without control characters, and not endless."""
    plain = "".join(part if part.isprintable() else " " for part in str(text))
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def clean_long(text: object) -> str:
    """A longer foreign text, such as a note, made safe to show on one line."""
    return clean(text, LONGEST_NOTE)


def escaped(text: object, longest: int = 120) -> str:
    """Text that Markdown and HTML leave alone."""
    plain = clean(text, longest).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", plain)
    return re.sub(r"(?<=[\w/])([:@.])(?=[\w/])", r"<!-- -->\1", plain) if re.search(r"://|@|www\.", plain) else plain


def links_of(facts: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What it is, address and host of each link of a submission, whose facts are text from outside."""
    found = [(kind, facts.get(kind, "")) for kind in LINKED]
    return [(kind, address, host_of(address)) for kind, address in found if host_of(address)]


def plain_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """What a submitter says that is no link."""
    return {key: value for key, value in facts.items() if value and key not in LINKED}


def setting_names(settings: Sequence[Subject]) -> dict[Subject, str]:
    """Each setting in words: task and model, and of the rest what tells it from the others of its task."""
    names = {}
    for setting in settings:
        rivals = [other for other in settings if other.task == setting.task]
        parts = [choice_in_words(setting.task, [other.task for other in settings])]
        for at, choice in enumerate(setting[1:], 1):
            others = [other[at] for other in rivals]
            if at == 1 or len(set(others)) > 1:
                parts.append(choice_in_words(choice, others))
        names[setting] = ", ".join(parts)
    taken: dict[str, int] = {}
    for setting, name in names.items():
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            names[setting] = f"{name} ({taken[name]})"
    return names


def choice_names(choices: Sequence[str]) -> dict[str, str]:
    """Each choice by its telling options; no two alike."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for choice in dict.fromkeys(choices):
        first = name = choice_in_words(choice, choices)
        count = 1
        while name in taken:
            count += 1
            name = f"{first} ({count})"
        names[choice] = name
        taken.add(name)
    return names


def choice_in_words(choice: str, others: Sequence[str]) -> str:
    """A choice by its telling options; as it stands where it is not written as the store writes it."""
    try:
        return clean(short(choice, others))
    except (ValueError, AttributeError):
        return clean(choice)


def spelled(choice: str) -> str:
    """A choice with all of its options; as it stands where it is not written as the store writes it."""
    name, _, options = choice.partition(" ")
    try:
        found = json.loads(options or "{}").items()
    except (ValueError, AttributeError, RecursionError):
        return clean_long(choice)
    return clean_long(", ".join([name, *(f"{key}={option_text(value)}" for key, value in found)]))


def family(choice: str) -> str:
    """The name of a choice without its options: "name" of `name {"fraction":0.5}`."""
    return clean(choice.partition(" ")[0]) or NONE


def line_names(table: Table) -> dict[tuple[object, ...], str]:
    """Each line's row; with the submission where there are several, with the method where one has the row twice."""
    lines = all_lines(table)
    many = len(table.submissions) > 1
    methods: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for line in lines:
        methods.setdefault((line.submission, line.row), set()).add((line.method, line.scorer))
    return {line.identity: line_name(line, many, methods[line.submission, line.row]) for line in lines}


def all_lines(table: Table) -> list[Line]:
    """Every line at each of its places, complete or not."""
    return [one for place in table.places for one in (*(one.line for one in place.standings), *place.incomplete)]


def line_name(line: Line, many: bool, methods: set[tuple[str, str]]) -> str:
    """The name of one line: its row, with whatever is needed to tell it from others."""
    name = clean(f"{line.submission}: {line.row}" if many else line.row)
    return clean(f"{name} ({line.method} {line.scorer})") if len(methods) > 1 else name


def file_name(*parts: str) -> str:
    """A name for a file that says what is in it, cannot leave its folder, and differs where the parts differ."""
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")[:60].strip("-")
    return f"{words}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:6]}"


def value_text(value: float | None, metric: Metric, sign: bool = False) -> str:
    """A number of the headline: percent with two decimals, else four digits."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{100 * value:.2f}" if metric.percent else f"{value:.4g}"
    return (f"+{text}" if sign and value > 0 else text).replace("-", "−")


def interval_text(interval: Interval, metric: Metric, sign: bool = False) -> str:
    """A mean with its interval; without one where one seed leaves none."""
    mean = value_text(interval.mean, metric, sign)
    if not math.isfinite(interval.low):
        return f"{mean} [no interval]"
    return f"{mean} [{value_text(interval.low, metric, sign)}, {value_text(interval.high, metric, sign)}]"


def rank_text(ranks: RankRange) -> str:
    """A rank, or a range of ranks."""
    return f"{ranks.first}" if ranks.first == ranks.last else f"{ranks.first}–{ranks.last}"


def p_text(p: float) -> str:
    """A p value with two digits, or "<0.001"."""
    return f"{p:.2g}" if p >= 0.001 else "<0.001"


def amount_text(value: float | None) -> str:
    """A count or a time, with a prefix where it is large."""
    if value is None:
        return NONE
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


def trouble_text(troubles: dict[int, str]) -> str:
    """What is wrong with which seeds, in one line: "failed: seed 0, 3; missing: seed 7"."""
    grouped: dict[str, list[int]] = {}
    for seed, what in troubles.items():
        grouped.setdefault(what, []).append(seed)
    return "; ".join(f"{clean(what)}: seed {', '.join(map(str, seeds))}" for what, seeds in grouped.items())
