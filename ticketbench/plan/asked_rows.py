"""The rows that `--method` asks for: rows of the suite, methods and scorers of plugins, each with options or without.

An option belongs to the row's method if that has it, or else to its scorer. Where both have it, `method.` or `scorer.`
before its name says whose it is. `scorer=NAME` has the row rank by another scorer. A row with options is another row,
named by what was written, in one spelling: `name[option=value,option=value]`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ticketbench.errors import OptionError, UnknownNameError, suggest
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import configure, plain
from ticketbench.plugin.written import read_written, split_written, write_options
from ticketbench.store.schema import LONGEST_ROW, ROW
from ticketbench.suite.suite import Entry, Row, Suite

WHERE = "--method"
METHOD, SCORER = "method", "scorer"


@dataclass(frozen=True)
class AskedRow:
    """A row by the name that records have, what it is a variant of, and how it is drawn."""

    label: str
    base: str
    """The row, the method or the scorer that it was made from; its own name where it has no options."""
    row: Row


def asked_rows(suite: Suite, plugins: Plugins, wanted: Iterable[str]) -> list[AskedRow]:
    """Everything that was asked for, each once; commas stand between several."""
    found = (asked_row(suite, plugins, text) for part in wanted for text in split_written(part, WHERE))
    return list({one.label: one for one in found}.values())


def asked_row(suite: Suite, plugins: Plugins, text: str) -> AskedRow:
    """One row; an error names an unknown name or option, or a value that an option does not take."""
    name, options = read_written(text, WHERE)
    row = plain_row(suite, plugins, name)
    if not options:
        return AskedRow(name, name, row)
    where = f"{WHERE} '{text}'"
    changed, written = changed_row(row, plugins, options, where)
    label = write_options(name, written)
    if len(label) > LONGEST_ROW or not ROW.pattern.fullmatch(label):
        raise OptionError(
            f"{where}: {label!r} is no name of a row. {ROW.says} It may have {LONGEST_ROW} characters. "
            "Give the row a short name in a suite file of your own: [methods]."
        )
    return AskedRow(label, name, changed)


def can_be_asked(suite: Suite, plugins: Plugins, text: str) -> bool:
    """Whether a row's name, which may come from outside, is one that can be planned here."""
    try:
        return asked_row(suite, plugins, text).label == text
    except Exception:  # whatever a plugin raises over options that somebody else wrote
        return False


def plain_row(suite: Suite, plugins: Plugins, name: str) -> Row:
    """A row of the suite, else a method as it is, else what the suite says scorers run as."""
    if name in suite.methods:
        return suite.methods[name]
    if name in plugins.items[METHOD]:
        return Row(method=Entry(name=name))
    if name in plugins.items[SCORER]:
        return Row(method=suite.scorers_run_as, scorer=Entry(name=name))
    raise UnknownNameError(METHOD, name, {*suite.methods, *plugins.items[METHOD], *plugins.items[SCORER]}, WHERE)


def changed_row(row: Row, plugins: Plugins, options: Mapping[str, Any], where: str) -> tuple[Row, dict[str, Any]]:
    """The row with other options, and these by their shortest names and as the values that they come to."""
    method = plugins.find(METHOD, row.method.name, where)
    given = dict(options)
    entry = row.scorer or (Entry(name=method.ranks_by) if method.ranks_by else None)
    written: dict[str, Any] = {}
    if SCORER in given and SCORER not in options_in(method):
        entry = Entry(name=str(given.pop(SCORER)))
        written[SCORER] = entry.name
    scorer = plugins.find(SCORER, entry.name, where) if entry else None
    of_method: dict[str, Any] = {}
    of_scorer: dict[str, Any] = {}
    for name, value in given.items():
        kind, option = owner_of(name, method, scorer, where)
        of = of_scorer if kind == SCORER else of_method
        if option in of:
            raise OptionError(f"{where}: option '{option}' stands twice. Leave one of them out.")
        of[option] = value
    new_method = Entry(name=row.method.name, options={**row.method.options, **of_method})
    made = configure(method, new_method.options, where)
    written |= {shortest(METHOD, name, scorer): plain(getattr(made, name)) for name in of_method}
    if entry and scorer is not None:
        entry = Entry(name=entry.name, options={**entry.options, **of_scorer})
        ranked = configure(scorer, entry.options, where)
        written |= {shortest(SCORER, name, method): plain(getattr(ranked, name)) for name in of_scorer}
    scored = entry if of_scorer or SCORER in written else row.scorer
    return Row(method=new_method, scorer=scored, expects=row.expects), written


def options_in(item: Any) -> set[str]:
    """The names of a thing's options."""
    return set() if item is None else {field.name for field in dataclasses.fields(item)}


def shortest(kind: str, option: str, other: Any) -> str:
    """An option's name; with its kind before it where the other of method and scorer has it, too."""
    return f"{kind}.{option}" if option in options_in(other) else option


def owner_of(name: str, method: Any, scorer: Any, where: str) -> tuple[str, str]:
    """Whether an option is the method's or the scorer's, and its own name."""
    kind, dot, option = name.partition(".")
    owners = {METHOD: method, SCORER: scorer}
    if dot and kind in owners:
        if owners[kind] is None:
            raise OptionError(f"{where}: method '{method.name}' ranks by no scorer. Leave {name} out.")
        if option not in options_in(owners[kind]):
            raise OptionError(f"{where}: {no_option(option, {kind: owners[kind]})}")
        return kind, option
    having = [kind for kind, item in owners.items() if name in options_in(item)]
    if not having:
        raise OptionError(f"{where}: {no_option(name, owners)}")
    if len(having) > 1:
        raise OptionError(
            f"{where}: both method '{method.name}' and scorer '{scorer.name}' have an option '{name}'. "
            f"Write {METHOD}.{name} or {SCORER}.{name}."
        )
    return having[0], name


def no_option(name: str, owners: Mapping[str, Any]) -> str:
    """That nothing here has an option of this name, and which options there are."""
    items = {kind: item for kind, item in owners.items() if item is not None}
    who = " nor ".join(f"{kind} '{item.name}'" for kind, item in items.items())
    known = sorted(set().union(*map(options_in, items.values())))
    valid = suggest(name, known) if known else "There are none."
    return (
        f"{'neither ' if len(items) > 1 else ''}{who} has {'an' if len(items) > 1 else 'no'} option '{name}'. {valid}"
    )
