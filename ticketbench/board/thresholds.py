"""Thresholds of a board: the lowest density down to which each row of each submission is as good as dense.

Those of the reference submission come from its records, with the curves of rows that are pruned step by step. Another
submission's row is held, place by place, against the reference's row that is never pruned, or else against its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.board.comparison import sample_of
from ticketbench.board.lines import Subject
from ticketbench.board.overall import LineSeries, Rules, line_series
from ticketbench.board.place import Place, Standing
from ticketbench.results.beside_dense import FEWEST_DENSITIES, RowThreshold
from ticketbench.results.choice import AXES
from ticketbench.results.standard import Sample
from ticketbench.results.threshold import Threshold, scatters_of, thresholds_of


@dataclass(frozen=True)
class LineThreshold:
    """The threshold of a submission's row in one setting."""

    submission: str
    row: str
    setting: Subject
    than: str
    """The row that it is held against; "" where that is the densest point of its own curve."""
    metric: str
    found: Threshold


def board_thresholds(
    places: Sequence[Place], rules: Rules, reference: Sequence[RowThreshold] | None
) -> list[LineThreshold]:
    """Those of the reference submission, as its records have them, and those of all other lines at these places.

    Without records of the reference (None) its lines are taken as all others are.
    """
    found = [in_board(one, rules.reference) for one in reference or ()]
    rows: dict[tuple[str, str], dict[tuple[LineSeries, Subject, str], dict[float, Sample]]] = {}
    for place in places if rules.suite else ():
        dense = dense_at(place, rules)
        for one in place.standings:
            partner = dense.get(rules.reference) or dense.get(one.line.submission)
            known = reference is not None and one.line.submission == rules.reference
            if one.line.never_pruned or partner is None or known:
                continue
            sample = sample_of(one.values, partner.values, place.seeds, place.setting.task, place.metric, rules.suite)
            family = rows.setdefault((one.line.submission, place.metric), {})
            key = (line_series(one.line), place.setting, partner.line.row)
            family.setdefault(key, {})[place.density] = sample
    for (submission, metric), family in rows.items():
        mine = {key: samples for key, samples in family.items() if len(samples) >= FEWEST_DENSITIES}
        samples_of = list(mine.values())
        made = thresholds_of(samples_of, scatters_of(samples_of))
        for (series, setting, than), threshold in zip(mine, made, strict=True):
            if threshold is not None:
                found.append(LineThreshold(submission, series[1], setting, than, metric, threshold))
    return found


def in_board(one: RowThreshold, submission: str) -> LineThreshold:
    """A threshold of the reference submission as a board has it."""
    axes = dict(one.axes)
    return LineThreshold(
        submission, axes["row"], Subject(*(axes[axis] for axis in AXES)), one.than, one.metric, one.found
    )


def dense_at(place: Place, rules: Rules) -> dict[str, Standing]:
    """The row that is never pruned of each submission at a place: one that others are compared with before others."""

    def order(one: Standing) -> tuple[int, str]:
        row = one.line.row
        return (rules.against.index(row) if row in rules.against else len(rules.against)), row

    unpruned = sorted((one for one in place.standings if one.line.never_pruned), key=order, reverse=True)
    return {one.line.submission: one for one in unpruned}
