"""Sheets of what is decided in the reference submission of a board: answers, claims, and thresholds of all rows."""

from __future__ import annotations

from ticketbench.board.build import Board
from ticketbench.board.export.places import METRIC, metric_cells
from ticketbench.board.export.sheet import UNNAMED, Amount, Sheet, SheetCell, SheetColumn, Tags
from ticketbench.board.summaries import margin_text, threshold_settings
from ticketbench.board.table import Judged
from ticketbench.errors import StoreError
from ticketbench.render.answers import told
from ticketbench.render.labels import short
from ticketbench.render.thresholds import threshold_text
from ticketbench.results.measures import unit_of
from ticketbench.results.results import Results
from ticketbench.results.sampling import Gathered
from ticketbench.results.stats import Interval
from ticketbench.results.verdicts import ClaimFinding
from ticketbench.store.column import Unit
from ticketbench.suite.paper import Aspect, Claim, Metric

UNIT = (SheetColumn("unit", only="csv"), SheetColumn("unit", folds=True, only="shown"))
ONE_FAMILY = (
    "p of no difference or, where both are as good, of one as large as the margin, corrected for all comparisons of "
    "the {} (Holm). Intervals hold at 95 %, each."
)


def judged_of(board: Board, what: str) -> Judged:
    """What is decided in a board's reference submission; a `StoreError` where it has none."""
    if board.judged is None:
        raise StoreError(
            f"{board.name} has no {what}: it has no reference submission, or its suite or tier is not installed here. "
            "`reference` in board.toml names the submission; --table places, overall and thresholds work without one."
        )
    return board.judged


def answers_sheet(board: Board) -> Sheet:
    """Every comparison of the suite's questions."""
    judged = judged_of(board, "answers")
    results = judged.results
    columns = (
        SheetColumn("question", folds=True),
        SheetColumn("asks", only="csv"),
        SheetColumn("row", only="csv"),
        SheetColumn("side"),
        SheetColumn("density", "density", folds=True),
        SheetColumn("than", folds=True),
        SheetColumn("difference", "amount"),
        *UNIT,
        SheetColumn("p", "p"),
        SheetColumn("p of the margin", "p", only="csv"),
        SheetColumn("mark", "mark"),
        SheetColumn("seeds", "number", folds=True),
        SheetColumn("note", "long"),
    )
    sheet = Sheet(f"{board.title}, tier {board.tier}, answers", columns, notes=[ONE_FAMILY.format("questions")])
    for group, answer in enumerate(judged.judgement.answers):
        question = answer.question
        for line in told(results, answer):
            found = line.compared.found
            metric, unit = unit_in(results, question, line.compared.gathered)
            apart = Amount(found.interval, metric, unit, sign=True) if found and found.seeds else None
            tags = tags_of(line.compared.gathered)
            cells: list[SheetCell] = [question.name, question.text, tags.row, line.side, line.density, line.than, apart]
            cells += [
                *unit_cells(metric, unit),
                line.p,
                found.alike if found else None,
                line.mark,
                line.seeds,
                line.note,
            ]
            sheet.add(cells, tags, group)
    return sheet


def tags_of(gathered: Gathered) -> Tags:
    """What a comparison can be chosen by."""
    setting = dict(gathered.setting)
    return Tags(
        str(setting.get("task", "")), str(setting.get("model", "")), setting.get("density"), str(setting.get("row", ""))
    )


def unit_in(results: Results, aspect: Aspect, gathered: Gathered) -> tuple[Metric, Unit]:
    """The metric and the unit of what an aspect asks for."""
    headline = results.suite.headline_of(str(dict(gathered.setting).get("task", "")))
    metric = results.suite.metric(aspect.metric or headline.metric)
    return metric, unit_of(aspect.measure or "headline", aspect.x_name or results.x_name(aspect, aspect.row))


def unit_cells(metric: Metric, unit: Unit, difference: bool = True) -> list[SheetCell]:
    """A unit for programs, which read a metric as it is recorded, and for readers."""
    if unit != "metric":
        return [unit, unit]
    shown = f"points of {metric.title}" if difference else f"% {metric.title}"
    return [metric.title, shown if metric.percent else metric.title]


def claims_sheet(board: Board) -> Sheet:
    """The paper's claims that speak of the tier with their verdicts, and the paper's numbers beside ours."""
    judged = judged_of(board, "claims")
    columns = (
        SheetColumn("claim", "number"),
        SheetColumn("says", "long"),
        SheetColumn("source", only="csv"),
        SheetColumn("row", only="csv"),
        SheetColumn("in", "long", folds=True),
        SheetColumn("verdict"),
        SheetColumn("ours", "amount"),
        SheetColumn("paper", "figure", only="shown"),
        SheetColumn("paper", "number", only="csv"),
        *UNIT,
        SheetColumn("p", "p"),
        SheetColumn("seeds", "number", folds=True),
        SheetColumn("because", "long"),
    )
    sheet = Sheet(f"{board.title}, tier {board.tier}, claims", columns, notes=[ONE_FAMILY.format("claims")])
    for number, findings in enumerate(judged.judgement.claims, 1):
        for one in findings:
            if one.claim.tiers and board.tier not in one.claim.tiers:
                continue
            add_claim(sheet, judged.results, number, one)
    return sheet


def add_claim(sheet: Sheet, results: Results, number: int, one: ClaimFinding) -> None:
    """One claim in one setting."""
    claim, setting = one.claim, dict(one.setting)
    metric, unit = unit_in(results, claim, Gathered(one.setting))
    if claim.compare == "ratio":
        metric, unit = UNNAMED, "metric"
    row = claim.row or str(setting.get("row", ""))
    ours = claim_amount(claim, one.interval, metric, unit) if one.interval else None
    paper = None if claim.paper is None else Amount(Interval(*[claim.paper] * 3), metric, unit)
    words = paper.digits(claim.paper, claim.than is not None) if paper and claim.paper is not None else None
    cells: list[SheetCell] = [number, claim.text, claim.source, row, claim_setting(results, setting), one.verdict, ours]
    said: list[SheetCell] = (
        ["ratio"] * 2 if claim.compare == "ratio" else unit_cells(metric, unit, claim.than is not None)
    )
    cells += [words, claim.paper, *said, one.found.telling if one.found else None, one.seeds, one.reason]
    density = setting.get("density")
    tags = Tags(str(setting.get("task", "")), str(setting.get("model", "")), density, row)
    sheet.add(cells, tags)


def claim_amount(claim: Claim, interval: Interval, metric: Metric, unit: Unit) -> Amount:
    """Our number, with a sign where it is a difference."""
    return Amount(interval, metric, unit, sign=claim.than is not None and claim.compare == "difference")


def claim_setting(results: Results, setting: dict[str, object]) -> str:
    """Where a claim is judged: each choice by what tells it from the others that the tier has."""
    parts = []
    for axis, choice in setting.items():
        if axis == "density":
            parts.append(f"density {choice:.3g}")
        elif axis not in ("row", "recipe"):
            known = sorted({entry.axis(axis) for entry in results.entries})
            if axis in ("task", "model") or len(known) > 1:
                parts.append(short(str(choice), known))
    return ", ".join(parts)


def thresholds_sheet(board: Board) -> Sheet:
    """The lowest density down to which each row is as good as dense."""
    columns = (
        SheetColumn("table", folds=True),
        SheetColumn("submission", folds=True),
        SheetColumn("row"),
        SheetColumn("setting", folds=True),
        SheetColumn("lowest density as good as dense", "figure", only="shown"),
        SheetColumn("lowest density", "density", only="csv"),
        SheetColumn("low", "density", only="csv"),
        SheetColumn("high", "density", only="csv"),
        SheetColumn("may lie below", only="csv"),
        SheetColumn("worse from", "density"),
        *METRIC,
        SheetColumn("margin", "number", only="csv"),
        SheetColumn("margin", folds=True, only="shown"),
        SheetColumn("dense is", folds=True),
        SheetColumn("seeds", "number", folds=True),
    )
    sheet = Sheet(f"{board.title}, tier {board.tier}, lowest density still as good as dense", columns)
    sheet.notes = ["The interval holds at 95 %; ≤: sparser tickets than any computed may be as good."]
    for group, table in enumerate(board.tables):
        names = threshold_settings(table)
        for one in table.thresholds:
            found, metric = one.found, table.metrics[one.metric]
            cells: list[SheetCell] = [table.title, one.submission, one.row, names[one.setting], threshold_text(found)]
            cells += [found.estimate, found.low, found.high, "yes" if found.open_below else "no", found.worse_from]
            margin = margin_text(found.margin, metric)
            cells += [*metric_cells(metric), found.margin, margin, one.than or "its own 100 %", found.seeds]
            sheet.add(cells, Tags(one.setting.task, one.setting.model, None, one.row), group)
    return sheet
