"""Summaries: the tables at the top of a board in plain text, the same in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.board.lines import Subject
from ticketbench.board.overall import Contender, Contest, LineSeries, line_series
from ticketbench.board.table import Table
from ticketbench.board.words import all_lines, clean, interval_text, line_names, p_text, rank_text, setting_names
from ticketbench.render.numbers import NONE
from ticketbench.render.thresholds import density_text, threshold_text, threshold_words
from ticketbench.results.standard import Mark
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Metric

MOST_NAMED = 6
"""Settings that a title names."""


@dataclass(frozen=True)
class TopTable:
    """A table in plain text; foreign words in it are one line each, and not escaped."""

    title: str
    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]
    marks: list[Mark | None]
    """Of each line's difference, where it has one."""
    marked: int | None
    """The column that the mark belongs before."""
    notes: list[str]


def headline_contests(table: Table) -> list[Contest]:
    """The contests that say more than a place does: the largest one, and all others of several places."""
    return [one for at, one in enumerate(table.contests) if at == 0 or len(one.places) > 1]


def overall_summary(contest: Contest, table: Table, names: dict[LineSeries, str]) -> TopTable:
    """How every row stands over the places of a contest."""
    metric = table.metrics[contest.metric]
    notes = [f"over {contest_places(contest, table)}"]
    notes += [
        f"{names[series]}: complete at {count} of {len(contest.places)} places, not ranked"
        for series, count in contest.partial.items()
    ]
    return TopTable(
        contest_title(contest, table),
        ("rank", "row", "mean", f"less {clean(contest.than) or 'the mean of the rows'}", "mean rank"),
        [contender_line(one, metric, names[one.series]) for one in contest.contenders],
        [one.found.mark if one.found else None for one in contest.contenders],
        3,
        notes,
    )


def contender_line(one: Contender, metric: Metric, name: str) -> tuple[str, ...]:
    """A row over all places of a contest."""
    apart = f"{interval_text(one.found.interval, metric, True)}, p {p_text(one.found.corrected)}" if one.found else NONE
    return rank_text(one.ranks), name, interval_text(one.interval, metric), apart, mean_rank_text(one.rank)


def mean_rank_text(rank: Interval) -> str:
    """A mean rank with its interval over seeds."""
    return f"{rank.mean:.1f} [{rank.low:.1f}, {rank.high:.1f}]"


def contest_title(contest: Contest, table: Table) -> str:
    """What a contest is of: its metric, and how many places."""
    metric, count = table.metrics[contest.metric], len(contest.places)
    return f"{clean(metric.title)}{', %' * metric.percent}, over {count} place{'s' * (count != 1)}"


def contest_places(contest: Contest, table: Table) -> str:
    """The places of a contest in words: its settings, each with its densities."""
    known = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
    densities: dict[str, list[float]] = {}
    for place in contest.places:
        densities.setdefault(known[place.setting], []).append(place.density)
    parts = [f"{name} ({', '.join(map(density_text, found))})" for name, found in densities.items()]
    more = [f"and {len(parts) - MOST_NAMED} more"] if len(parts) > MOST_NAMED else []
    return "; ".join(parts[:MOST_NAMED] + more)


def series_names(table: Table) -> dict[LineSeries, str]:
    """Each line's name, whatever its place."""
    names = line_names(table)
    return {line_series(line): names[line.identity] for line in all_lines(table)}


def threshold_summary(table: Table) -> TopTable | None:
    """Down to which density each row is as good as dense; None where that can be said of no row."""
    if not table.thresholds:
        return None
    names = threshold_settings(table)
    many = len(table.submissions) > 1
    lines: list[tuple[str, ...]] = [
        (
            clean(f"{one.submission}: {one.row}" if many else one.row),
            names[one.setting],
            threshold_text(one.found),
            threshold_words(one.found),
            clean(one.than) or "its own 100 %",
        )
        for one in table.thresholds
    ]
    columns: tuple[str, ...] = ("row", "setting", "lowest density as good as dense", "shown", "dense is")
    margins = {(one.metric, one.found.margin) for one in table.thresholds}
    within = ", ".join(margin_text(margin, table.metrics[metric]) for metric, margin in sorted(margins))
    note = (
        f"As good: no worse than dense by more than {within}, at every density computed down to there. The interval "
        "holds at 95 %; ≤ says that sparser tickets than any computed may be as good."
    )
    return TopTable("Lowest density still as good as dense", columns, lines, [None] * len(lines), None, [note])


def threshold_settings(table: Table) -> dict[Subject, str]:
    """The settings of a table's thresholds in words."""
    at_places = [place.setting for place in table.places]
    return setting_names(list(dict.fromkeys([*at_places, *(one.setting for one in table.thresholds)])))


def margin_text(margin: float, metric: Metric) -> str:
    """A margin with its unit."""
    points = f"{100 * margin:.3g}"
    return f"{points} point{'s' * (points != '1')}" if metric.percent else f"{margin:.3g} of {clean(metric.title)}"


def summaries_of(table: Table) -> Sequence[TopTable]:
    """What stands at the top of a table of a board."""
    names = series_names(table)
    thresholds = threshold_summary(table)
    found = [overall_summary(contest, table, names) for contest in headline_contests(table)]
    return [*found, *([thresholds] if thresholds else [])]
