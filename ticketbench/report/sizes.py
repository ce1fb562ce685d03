"""Sizes: the weights that remain while a cell is trained, out of what its record says of each round.

A round is what was trained until a judgement, under the mask of that judgement. The steps of all rounds are laid end
to end; where the schedule went back, training went on from the same step each time: (steps logged from 0 − steps
trained) / times gone back. A method that prunes without reporting shows only the densities that it reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ticketbench.report.series import Series, chosen_by, grouped
from ticketbench.results.measures import DENSITY, Curve
from ticketbench.results.results import CellResult, Results
from ticketbench.store.schema import CellRecord, CurvePoint
from ticketbench.suite.paper import Figure, Metric

STEP, EPOCH = "step", "epoch"
SIZE = Metric(title="weights remaining", percent=True, higher_is_better=False)


def size_series(results: Results, figure: Figure) -> list[Series]:
    """The lines of a figure of sizes, over steps, or over epochs where x_name says so."""
    chosen = chosen_by(results, figure)
    curves: dict[int, Curve | None] = {}
    for entry in chosen:
        curve = weights_left(entry.record, entry.points) if entry.judged else None
        curves[id(entry)] = in_epochs(results, entry, curve) if curve and figure.x_name == EPOCH else curve
    return grouped(chosen, curves, pooled=False)


def weights_left(record: CellRecord, points: Sequence[CurvePoint]) -> Curve | None:
    """The density of each round from its first step on, and once more at the last step of all."""
    densities = {point.round: point.x for point in points if point.x_name == DENSITY}
    ends = ends_of(record, points)
    rounds = sorted(set(densities) & set(ends))
    if not rounds:
        return None
    starts = [0.0, *(ends[number] for number in rounds[:-1])]
    steps = [(start, densities[number]) for start, number in zip(starts, rounds, strict=True)]
    xs, values = zip(*steps, (ends[rounds[-1]], densities[rounds[-1]]), strict=True)
    return Curve(STEP, xs, values, higher_is_better=False, held=True)


def ends_of(record: CellRecord, points: Sequence[CurvePoint]) -> dict[int, float]:
    """Round -> the steps of all rounds up to its end."""
    logged = [point for point in points if point.split == "train" and point.x_name == STEP]
    logged = [point for point in logged if point.metric == logged[0].metric]
    steps = [point.x for point in logged]
    back = [at > 0 and step <= steps[at - 1] for at, step in enumerate(steps)]
    gone = [
        step if returned or not at else step - steps[at - 1]
        for at, (step, returned) in enumerate(zip(steps, back, strict=True))
    ]
    trained = record.train_steps
    again = max(0.0, (sum(gone) - trained) / sum(back)) if trained and any(back) else 0.0
    ends: dict[int, float] = {}
    total = 0.0
    for point, step, returned in zip(logged, gone, back, strict=True):
        total += step - (again if returned else 0.0)
        ends[point.round] = total
    return ends


def in_epochs(results: Results, entry: CellResult, curve: Curve) -> Curve | None:
    """A curve over steps as one over epochs, known without the data; None for a cell that the tier does not plan."""
    found = results.cast_of(entry)
    if found is None:
        return None
    _, cast = found
    per_epoch = cast.recipe.steps_per_epoch(cast.stages.draw_on.sizes().train)
    return replace(curve, name=EPOCH, x=tuple(x / per_epoch for x in curve.x))
