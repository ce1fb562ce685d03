"""A board's tables: every line at its place, ranked where it is complete, and compared on the same seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketbench.board.against import References, compare_places
from ticketbench.board.curves import add_curves, add_drawing_costs
from ticketbench.board.lines import Line, Subject, lines_of
from ticketbench.board.overall import Contest, Rules, contests_of
from ticketbench.board.place import Place, Standing
from ticketbench.board.settings import Settings
from ticketbench.board.submission import Submission
from ticketbench.board.thresholds import LineThreshold, board_thresholds
from ticketbench.results.beside_dense import row_thresholds
from ticketbench.results.judgement import Judgement
from ticketbench.results.results import Results
from ticketbench.results.scatter import Scatter
from ticketbench.results.standard import RankRange, rank_ranges, within_bounds
from ticketbench.results.stats import t_interval
from ticketbench.store.schema import Environment
from ticketbench.suite.paper import Metric
from ticketbench.suite.questions import FEWEST_SEEDS
from ticketbench.suite.suite import Suite

EVERY_METRIC: Mapping[str, Metric] = {}


@dataclass(frozen=True)
class Judged:
    """What was decided in the reference submission, and the setting (suite, version, tier, precision, device)."""

    setting: tuple[str, int, str, str, str]
    results: Results
    judgement: Judgement


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
    """How many exploratory comparisons of a submission were corrected together, at most."""
    metrics: dict[str, Metric]
    environments: dict[str, Environment]
    submissions: dict[str, Mapping[str, str]]
    """Name -> what its submitter says."""
    notes: list[str]
    rules: Rules
    contests: list[Contest] = field(default_factory=list)
    """How every row stands over many places; the first is what the board is headed by."""
    thresholds: list[LineThreshold] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The suite's version, the precision and the kind of device, as a heading."""
        return f"version {self.version}, {self.precision} on {self.device_class}"


def tables_of(
    submissions: Iterable[Submission], settings: Settings, suite: Suite | None, judged: Judged | None = None
) -> list[Table]:
    """A table for each setting of the submissions, the newest version first.

    `judged` has what was decided in the reference submission's questions and claims, of the setting it is of.

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
    return [
        make_table(
            key,
            lines[key],
            settings,
            suite,
            made[key],
            facts[key],
            notes.get(key, []),
            judged if judged is not None and judged.setting == key else None,
        )
        for key in order
    ]


def make_table(
    key: tuple[Any, ...],
    lines: Sequence[Line],
    settings: Settings,
    suite: Suite | None,
    environments: dict[str, Environment],
    facts: dict[str, Mapping[str, str]],
    notes: list[str],
    judged: Judged | None = None,
) -> Table:
    """One table of a board: its lines at their places, ranked, compared and corrected."""
    known = suite if suite is not None and (suite.name, suite.version) == key[:2] and key[2] in suite.tiers else None
    seeds = settings.seeds or (known.tier(key[2]).seeds if known else ())
    if known is None:
        notes = [*notes, f"suite {key[0]} version {key[1]} is not installed here: more counts as better"]
    names = sorted({line.metric for line in lines})
    metrics = {name: known.metric(name) if known else Metric(title=name) for name in names}
    places = places_of(lines, seeds, metrics)
    against = settings.against or (known.against if known else ())
    against = against or tuple(sorted({line.row for line in lines if line.never_pruned}))[:2]
    references = References(against, settings.reference, known, judged.judgement if judged else None)
    comparisons = compare_places(places, references)
    for place in places:
        rank(place, metrics[place.metric].higher_is_better, references.scatter(place.metric))
    name, version, tier, precision, device = key
    notes = [*notes, *power_note(places, comparisons)]
    rules = Rules(settings.reference, against, metrics, known)
    table = Table(
        name, version, tier, precision, device, places, against, comparisons, metrics, environments, facts, notes, rules
    )
    table.contests = contests_of(places, rules)
    table.thresholds = board_thresholds(places, rules, row_thresholds(judged.results) if judged else None)
    return table


def places_of(lines: Sequence[Line], seeds: Sequence[int], metrics: Mapping[str, Metric] = EVERY_METRIC) -> list[Place]:
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
        ranked_place(setting, density, metric, members, seeds, metrics.get(metric, Metric(title=metric)))
        for (setting, density, metric), members in sorted(groups.items(), key=lambda item: (item[0][0], -item[0][1]))
    ]


def ranked_place(
    setting: Subject, density: float, metric: str, lines: Sequence[Line], seeds: Sequence[int], known: Metric
) -> Place:
    """A place with its complete and its incomplete lines; without known seeds, those that most lines have."""
    if not seeds:
        held = Counter(tuple(line.seeds) for line in lines)
        _, seeds = max((count, found) for found, count in held.items())
    standings, incomplete = [], []
    bottom = worst_of(lines, known)
    for line in lines:
        values = line.values(seeds, bottom)
        if values is None:
            incomplete.append(line)
        else:
            interval = within_bounds(t_interval(values), known.span)
            standings.append(Standing(line, interval, tuple(values), RankRange(1, 1)))
    return Place(setting, density, metric, tuple(seeds), standings, incomplete)


def worst_of(lines: Sequence[Line], metric: Metric) -> float | None:
    """What a cell that diverged counts as: the bound of its metric, or the worst number that any line has."""
    if metric.bottom is not None:
        return metric.bottom
    known = [one.value for line in lines for one in line.seeds.values() if one.counts and one.value is not None]
    return (min(known) if metric.higher_is_better else max(known)) if known else None


def rank(place: Place, higher: bool, scatter: Scatter) -> None:
    """Each complete line's range of ranks, tested at 5 % for the place; the best means first."""
    ranges = rank_ranges([one.values for one in place.standings], higher, scatter)
    for one, found in zip(place.standings, ranges, strict=True):
        one.ranks = found
    sign = -1.0 if higher else 1.0
    place.standings.sort(key=lambda one: (one.ranks.first, sign * one.interval.mean, one.line.submission, one.line.row))
    place.incomplete.sort(key=lambda line: (line.submission, line.row))


def power_note(places: Sequence[Place], comparisons: int) -> list[str]:
    """That the seeds could have shown nothing, where that is so."""
    most = max((len(place.seeds) for place in places), default=0)
    if not comparisons or most >= FEWEST_SEEDS:
        return []
    return [f"{most} seed{'s' * (most != 1)} decide nothing, however large a difference is: it takes {FEWEST_SEEDS}"]
