"""A board's table as bouts, where no question states any: each setting beside the row that others are compared with.

What it says is exploratory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from ticketbench.board.bout import Bout, Entrant, Party, WorkSpent
from ticketbench.board.lines import Line, Subject
from ticketbench.board.place import Place, Standing
from ticketbench.board.table import Table
from ticketbench.board.words import clean, line_names, setting_names, value_text
from ticketbench.render.numbers import NONE
from ticketbench.render.sentences import Spoken
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Metric

MOST_SHOWN = 60
"""Comparisons of a setting that are looked at: the best of each place first."""


def shown_bouts(table: Table) -> list[Bout]:
    """The first setting of a table that has something to compare, as a bout; none where there is no other side."""
    names = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
    lines: Mapping[tuple[object, ...], str] | None = None
    for setting, name in names.items():
        for row in table.against:
            places = [place for place in table.places if place.setting == setting]
            if any(row in one.against for place in places for one in place.standings):
                lines = lines or line_names(table)
                return [shown_bout(table, setting, name, row, lines)]
    return []


def shown_bout(table: Table, setting: Subject, name: str, row: str, lines: Mapping[tuple[object, ...], str]) -> Bout:
    """Every complete line of a setting beside a row."""
    places = [place for place in table.places if place.setting == setting and place.standings]
    metric = table.metrics[places[0].metric]
    entrants = [
        entrant(place, one, row, metric, lines[one.line.identity])
        for place in places
        for one in [one for one in place.standings if row in one.against][:MOST_SHOWN]
    ]
    margins = [one.against[row].sample.margin for place in places for one in place.standings if row in one.against]
    return Bout(
        text=f"{name}: {clean(metric.title)}",
        than=clean(row),
        stated=False,
        margin=max(margins, default=0.0),
        higher=metric.higher_is_better,
        percent=metric.percent,
        entrants=tuple(entrants),
    )


def entrant(place: Place, one: Standing, row: str, metric: Metric, name: str) -> Entrant:
    """A standing beside a row."""
    found = one.against[row]
    rival = next((other for other in place.standings if other.line.row == row), None)
    mean, unit = found.interval.mean, "points" if metric.percent else clean(metric.title)
    margin = found.sample.margin
    said = Spoken(
        name=name,
        context="",
        density=place.density if place.density < 1 else None,
        than=clean(row),
        mark=found.mark,
        gain=mean if metric.higher_is_better else -mean,
        by=with_unit(found.interval if mean >= 0 else other_way(found.interval), metric, unit),
        margin=f"{value_text(margin, metric)} {unit}" if margin else "",
    )
    return Entrant(
        said=said,
        mine=standing_party(name, one, metric, place),
        theirs=standing_party(clean(row), rival, metric, place) if rival else Party(clean(row)),
        interval=found.interval,
        difference=with_unit(found.interval, metric, unit, True),
        p=found.alike if found.mark == "as good" else found.corrected,
        seeds=len(found.seeds),
        note=clean(found.note),
    )


def other_way(interval: Interval) -> Interval:
    """The difference, seen from the other side."""
    return Interval(-interval.mean, -interval.high, -interval.low)


def with_unit(interval: Interval, metric: Metric, unit: str, sign: bool = False) -> str:
    """A difference with its interval and its unit."""
    mean = f"{value_text(interval.mean, metric, sign)} {unit}"
    if not math.isfinite(interval.low):
        return mean
    return f"{mean} [{value_text(interval.low, metric, sign)}, {value_text(interval.high, metric, sign)}]"


def standing_party(name: str, one: Standing, metric: Metric, place: Place) -> Party:
    """A standing as a side."""
    score = f"{value_text(one.interval.mean, metric)}{' %' if metric.percent else ''}" if one.values else NONE
    return Party(name, one.interval.mean, score, WorkSpent.of(one.line.costs), trouble_words(one.line, place))


def trouble_words(line: Line, place: Place) -> str:
    """Seeds of a line that count with the worst there can be, or whose network lost a layer."""
    counts = Counter(line.seeds[seed].status for seed in place.seeds if seed in line.seeds)
    odd = [status for status in ("diverged", "collapsed") if counts[status]]
    return ", ".join(f"{counts[status]} of {len(place.seeds)} seeds {status}" for status in odd)
