"""A board's tables: every line at its place, ranked where it is complete, and compared on the same seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketbench.board.comparison import Difference, corrected, difference
from ticketbench.board.curves import add_curves, add_drawing_costs
from ticketbench.board.lines import Line, Subject, lines_of
from ticketbench.board.settings import Settings
from ticketbench.board.submission import Submission
from ticketbench.results.stats import ALPHA, Interval, RankRange, rank_ranges, smallest_p, t_interval
from ticketbench.store.schema import Environment
from ticketbench.suite.paper import Metric
from ticketbench.suite.suite import Suite


@dataclass
class Standing:
    """A complete line at its place, with its mean, its ranks, and how it compares with others."""

    line: Line
    interval: Interval
    values: tuple[float, ...]
    """A seed each, in the place's order of seeds."""
    ranks: RankRange
    against: dict[str, Difference] = field(default_factory=dict)
    """Row that it is compared with -> its difference to that row."""


@dataclass
class Place:
    """The lines of one setting at one density. A row that is never pruned stands at every density."""

    setting: Subject
    density: float
    metric: str
    seeds: tuple[int, ...]
    standings: list[Standing]
    incomplete: list[Line]
    """Lines that lack a seed or its number: shown, never ranked, never averaged."""


@dataclass
class Table:
    """What may stand together: one suite version, tier, precision and kind of device."""

    suite: str
    version: int
    tier: str
    precision: str
    device_class: str
    places: list[Place]
    against: tuple[str, ...]
    comparisons: int
    """How many differences were tested and corrected together."""
    metrics: dict[str, Metric]
    environments: dict[str, Environment]
    submissions: dict[str, Mapping[str, str]]
    """Name -> what its submitter says."""
    notes: list[str]

    @property
    def title(self) -> str:
        """The suite's version, the precision and the kind of device, as a heading."""
        return f"version {self.version}, {self.precision} on {self.device_class}"


def tables_of(submissions: Iterable[Submission], settings: Settings, suite: Suite | None) -> list[Table]:
    """A table for each setting of the submissions, the newest version first.

    Each submission is let go once its lines are known, so that many can be read one after the other.
    """
    lines: dict[tuple[Any, ...], list[Line]] = {}
    made: dict[tuple[Any, ...], dict[str, Environment]] = {}
    facts: dict[tuple[Any, ...], dict[str, Mapping[str, str]]] = {}
    notes: dict[tuple[Any, ...], list[str]] = {}
    for submission in submissions:
        found, superseded = lines_of(submission)
        add_curves(found, submission.curves)
        add_drawing_costs(found, submission.probes)
        setting = submission.setting
        lines.setdefault(setting, []).extend(found)
        made.setdefault(setting, {}).update({one.environment: one for one in submission.environments})
        facts.setdefault(setting, {})[submission.name] = submission.facts
        if superseded:
            said = f"{submission.name}: left out {superseded} cells that were computed again later"
            notes.setdefault(setting, []).append(said)
    order = sorted(lines, key=lambda key: (-key[1], key[2:]))
    return [make_table(key, lines[key], settings, suite, made[key], facts[key], notes.get(key, [])) for key in order]


def make_table(
    key: tuple[Any, ...],
    lines: Sequence[Line],
    settings: Settings,
    suite: Suite | None,
    environments: dict[str, Environment],
    facts: dict[str, Mapping[str, str]],
    notes: list[str],
) -> Table:
    """One table of a board: its lines at their places, ranked, compared and corrected together."""
    known = suite if suite is not None and (suite.name, suite.version) == key[:2] and key[2] in suite.tiers else None
    seeds = settings.seeds or (known.tier(key[2]).seeds if known else ())
    if known is None:
        notes = [*notes, f"suite {key[0]} version {key[1]} is not installed here: more counts as better"]
    names = sorted({line.metric for line in lines})
    metrics = {name: known.metric(name) if known else Metric(title=name) for name in names}
    places = places_of(lines, seeds)
    against = settings.against or tuple(sorted({line.row for line in lines if line.never_pruned}))[:2]
    comparisons = compare_all(places, against, settings.reference, metrics)
    for place in places:
        rank(place, metrics[place.metric].higher_is_better, len(places))
    name, version, tier, precision, device = key
    notes = [*notes, *power_note(places, comparisons)]
    return Table(
        name, version, tier, precision, device, places, against, comparisons, metrics, environments, facts, notes
    )


def places_of(lines: Sequence[Line], seeds: Sequence[int]) -> list[Place]:
    """The lines, place by place: settings by name, densest first."""
    groups: dict[tuple[Subject, float, str], list[Line]] = {}
    unpruned: dict[tuple[Subject, str], list[Line]] = {}
    for line in lines:
        if line.never_pruned:
            unpruned.setdefault((line.setting, line.metric), []).append(line)
        else:
            groups.setdefault((line.setting, line.density, line.metric), []).append(line)
    for (setting, metric), dense in unpruned.items():
        densities = [key for key in groups if key[0] == setting and key[2] == metric]
        for group in densities or [(setting, 1.0, metric)]:
            groups.setdefault(group, []).extend(dense)
    return [
        ranked_place(setting, density, metric, members, seeds)
        for (setting, density, metric), members in sorted(groups.items(), key=lambda item: (item[0][0], -item[0][1]))
    ]


def ranked_place(setting: Subject, density: float, metric: str, lines: Sequence[Line], seeds: Sequence[int]) -> Place:
    """A place with its complete and its incomplete lines; without known seeds, those that most lines have."""
    if not seeds:
        held = Counter(tuple(line.seeds) for line in lines)
        _, seeds = max((count, found) for found, count in held.items())
    standings, incomplete = [], []
    for line in lines:
        values = line.values(seeds)
        if values is None:
            incomplete.append(line)
        else:
            standings.append(Standing(line, t_interval(values), tuple(values), RankRange(1, 1)))
    return Place(setting, density, metric, tuple(seeds), standings, incomplete)


def compare_all(places: Sequence[Place], against: Sequence[str], reference: str, metrics: Mapping[str, Metric]) -> int:
    """Every line with the rows it is compared with; all tests of the table are corrected together.

    Two lines that meet at several densities, since neither is ever pruned, are one comparison.
    """
    tested: dict[tuple[Any, ...], tuple[Difference, bool]] = {}
    meant: list[tuple[Standing, str, tuple[Any, ...]]] = []
    for place in places:
        for row in against:
            partners = {one.line.submission: one for one in place.standings if one.line.row == row}
            for standing in place.standings:
                partner = partners.get(reference) or partners.get(standing.line.submission)
                if partner is None or partner is standing or partner.line.identity == standing.line.identity:
                    continue
                key = (standing.line.identity, partner.line.identity)
                if key not in tested:
                    found = difference(standing.values, partner.values, place.seeds)
                    tested[key] = (found, metrics[place.metric].higher_is_better)
                meant.append((standing, row, key))
    after = corrected([found for found, _ in tested.values()], [higher for _, higher in tested.values()])
    done = dict(zip(tested, after, strict=True))
    for standing, row, key in meant:
        standing.against[row] = done[key]
    return len(tested)


def rank(place: Place, higher: bool, places: int) -> None:
    """Each complete line's range of ranks, tested at 5 % divided by the number of places; the best means first."""
    count, alpha = len(place.standings), ALPHA / places
    if count * (count - 1) / 2 * smallest_p(len(place.seeds)) > alpha:  # no pair could be told apart
        ranges = dict.fromkeys(range(count), RankRange(1, count))
    else:
        ranges = rank_ranges({at: one.values for at, one in enumerate(place.standings)}, higher, alpha)
    for at, one in enumerate(place.standings):
        one.ranks = ranges[at]
    sign = -1.0 if higher else 1.0
    place.standings.sort(key=lambda one: (one.ranks.first, sign * one.interval.mean, one.line.submission, one.line.row))
    place.incomplete.sort(key=lambda line: (line.submission, line.row))


def power_note(places: Sequence[Place], comparisons: int) -> list[str]:
    """What the seeds could have shown at all."""
    fewest = min((len(place.seeds) for place in places), default=0)
    most = max((len(place.seeds) for place in places), default=0)
    if not comparisons or comparisons * smallest_p(most) <= ALPHA:
        return []
    seeds = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return [
        f"{seeds} seeds give an exact test no p below {smallest_p(most):.2g}: among {comparisons} comparisons, "
        f"corrected, no difference could have been told, however large"
    ]
