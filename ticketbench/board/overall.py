"""Overall: how every row stands over many places of a board at once, so that a board has a top.

Places belong to one contest where the reference submission has the same rows at them (where there is none, where all
have), by the same metric and on the same seeds: what strangers hand in cannot split them. Within a contest a row that
is complete at every place is compared with the first row that a board compares with, by the mean of its differences
over the places, a value a seed; where the contest has no such row, with the mean of the reference's rows. Marks are
corrected within a submission, so that nobody's rows cost others power; of one place they are what is said there. A mean
rank is among all that are complete, and changes with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ticketbench.board.lines import Line
from ticketbench.board.place import Place, Standing
from ticketbench.results.scatter import Numbers, scatter_of
from ticketbench.results.standard import Comparison, RankRange, Sample, compare_all, rank_ranges, within_bounds
from ticketbench.results.stats import Interval, t_interval
from ticketbench.suite.paper import Metric
from ticketbench.suite.suite import Suite

LineSeries = tuple[str, str, str, str]
"""Submission, row, method and scorer: what a line is at every place."""


@dataclass(frozen=True)
class Contender:
    """A row of a submission over all places of a contest."""

    series: LineSeries
    values: tuple[float, ...]
    """The mean over the places, a seed each."""
    interval: Interval
    """Of that mean."""
    rank: Interval
    """The mean rank over places and seeds, among all contenders."""
    ranks: RankRange
    """By the means over the places: which ranks it may have among all contenders."""
    found: Comparison | None
    """The mean difference to what all are compared with; None for that row itself, and where there is none."""


@dataclass(frozen=True)
class Contest:
    """Places at which the same rows meet, and how those stand over all of them, the best first."""

    metric: str
    seeds: tuple[int, ...]
    places: tuple[Place, ...]
    than: str
    """The row that differences are to; "" for the mean of the rows."""
    contenders: tuple[Contender, ...]
    partial: Mapping[LineSeries, int]
    """Rows that are complete at some of the places only -> at how many; never ranked."""


@dataclass(frozen=True)
class Rules:
    """What a table's contests go by."""

    reference: str
    against: Sequence[str]
    metrics: Mapping[str, Metric]
    suite: Suite | None = None
    """None: nothing is known of margins."""

    def margin(self, places: Sequence[Place]) -> float:
        """The margin of a mean over these places: the smallest of any."""
        if self.suite is None:
            return 0.0
        headlines = [(self.suite.headline_of(place.setting.task), place.metric) for place in places]
        return min(headline.margin if headline.metric == metric else 0.0 for headline, metric in headlines)


@dataclass
class Gathering:
    """A contest while its places are gathered."""

    places: list[Place] = field(default_factory=list)
    rows: int = 0
    """Of the reference submission, or of all where it has none there."""


def line_series(line: Line) -> LineSeries:
    """What a line is at every place."""
    return line.submission, line.row, line.method, line.scorer


def contests_of(places: Sequence[Place], rules: Rules) -> list[Contest]:
    """The contests that places make, the largest (places × rows) first; those in which nothing meets are left out."""
    gathered: dict[tuple[object, ...], Gathering] = {}
    known = {line.submission for place in places for line in lines_at(place)}
    for place in places:
        rows = frozenset(
            line.row for line in lines_at(place) if rules.reference not in known or line.submission == rules.reference
        )
        group = gathered.setdefault((place.metric, place.seeds, rows), Gathering())
        group.places.append(place)
        group.rows = len(rows)
    order = sorted(gathered.values(), key=lambda group: -len(group.places) * group.rows)
    found = [contest_of(group.places, rules) for group in order]
    return [contest for contest in found if len(contest.contenders) + len(contest.partial) > 1]


def lines_at(place: Place) -> Iterable[Line]:
    """Every line of a place, complete or not."""
    yield from (one.line for one in place.standings)
    yield from place.incomplete


def contest_of(places: Sequence[Place], rules: Rules) -> Contest:
    """The standing of every row over some places that the same rows are at."""
    columns: dict[LineSeries, list[Standing]] = {}
    for place in places:
        for one in place.standings:
            columns.setdefault(line_series(one.line), []).append(one)
    whole = {key: found for key, found in columns.items() if len(found) == len(places)}
    partial = {key: len(found) for key, found in sorted(columns.items()) if len(found) < len(places)}
    metric, seeds = places[0].metric, places[0].seeds
    if not whole:
        return Contest(metric, seeds, tuple(places), "", (), partial)
    known = rules.metrics[metric]
    keys = list(whole)
    table = np.array([[one.values for one in whole[key]] for key in keys])  # rows × places × seeds
    means = table.mean(axis=1)
    base = baselines(keys, means, rules)
    families = families_of(
        keys, means, base, Sample((), seeds, known.higher_is_better, rules.margin(places), known.most)
    )
    shared = [one.differences for one in families.get(rules.reference, {}).values()]
    compared = compare_rows(families, shared, rules.reference)
    ranges = rank_ranges(means.tolist(), known.higher_is_better, scatter_of(shared))
    if len(places) == 1:  # what is said at the place itself
        compared |= {key: said for key, (one,) in whole.items() if (said := one.against.get(base.than))}
        ranges = [one.ranks for (one,) in whole.values()]
    ranked = np.stack([ranks_in(table[:, at], known.higher_is_better) for at in range(len(places))]).mean(axis=0)
    contenders = [
        Contender(
            key,
            tuple(means[at].tolist()),
            within_bounds(t_interval(means[at].tolist()), known.span),
            within_bounds(t_interval(ranked[at].tolist()), (1.0, float(len(keys)))),
            ranges[at],
            compared.get(key),
        )
        for at, key in enumerate(keys)
    ]
    sign = -1.0 if known.higher_is_better else 1.0
    contenders.sort(key=lambda one: (sign * one.interval.mean, one.rank.mean, one.series))
    return Contest(metric, seeds, tuple(places), base.than, tuple(contenders), partial)


@dataclass(frozen=True)
class Baselines:
    """What every row of a contest is compared with."""

    than: str
    """The row; "" for the mean of the rows."""
    values: Mapping[str, Numbers]
    """Submission -> a value a seed; "" for all that have none of their own."""
    own: frozenset[LineSeries]
    """Those rows themselves."""


def baselines(keys: Sequence[LineSeries], means: Numbers, rules: Rules) -> Baselines:
    """The first row to compare with that the reference submission has at all places, or each submission's own."""
    for row in rules.against:
        held = {key[0]: at for at, key in enumerate(keys) if key[1] == row}
        if rules.reference in held:
            at = held[rules.reference]
            return Baselines(row, {"": means[at]}, frozenset({keys[at]}))
        if held and all(key[0] != rules.reference for key in keys):
            mine = {submission: means[at] for submission, at in held.items()}
            return Baselines(row, mine, frozenset(keys[at] for at in held.values()))
    rows = [at for at, key in enumerate(keys) if key[0] == rules.reference] or list(range(len(keys)))
    alone = frozenset({keys[rows[0]]}) if len(rows) == 1 else frozenset()
    return Baselines(keys[rows[0]][1] if alone else "", {"": means[rows].mean(axis=0)}, alone)


def families_of(
    keys: Sequence[LineSeries], means: Numbers, base: Baselines, like: Sample
) -> dict[str, dict[LineSeries, Sample]]:
    """Each row's differences to what it is compared with, by submission."""
    found: dict[str, dict[LineSeries, Sample]] = {}
    for at, key in enumerate(keys):
        against = base.values.get(key[0], base.values.get(""))
        if against is not None and key not in base.own:
            apart = tuple((means[at] - against).tolist())
            found.setdefault(key[0], {})[key] = replace(like, differences=apart)
    return found


def compare_rows(
    families: Mapping[str, Mapping[LineSeries, Sample]], shared: Sequence[Sequence[float]], reference: str
) -> dict[LineSeries, Comparison]:
    """The comparisons of each submission, corrected together, with the reference's scatter beside its own."""
    found: dict[LineSeries, Comparison] = {}
    for submission, family in families.items():
        own = [] if submission == reference else [one.differences for one in family.values()]
        compared = compare_all(list(family.values()), scatter_of([*shared, *own]))
        found |= dict(zip(family, compared, strict=True))
    return found


def ranks_in(values: Numbers, higher_is_better: bool) -> Numbers:
    """In each column, the rank of each row; equal ones share the mean of their ranks."""
    signed = -values if higher_is_better else values
    ranks = np.empty_like(signed)
    for at, column in enumerate(signed.T):
        order = np.sort(column)
        first, last = np.searchsorted(order, column, "left"), np.searchsorted(order, column, "right")
        ranks[:, at] = (first + last + 1) / 2
    return ranks
