"""Sheets of what stands at the places of a board: every entry, and every row over all places of a contest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ticketbench.board.build import Board
from ticketbench.board.costs import BoardCost, tabled
from ticketbench.board.export.chosen import Chosen
from ticketbench.board.export.sheet import Amount, Sheet, SheetCell, SheetColumn, Tags
from ticketbench.board.overall import Contender, Contest, contests_of
from ticketbench.board.place import Place, Standing
from ticketbench.board.summaries import contest_places
from ticketbench.board.table import Table
from ticketbench.board.words import amount_text, clean, rank_text, setting_names
from ticketbench.results.choice import AXES
from ticketbench.results.standard import Comparison, RankRange
from ticketbench.suite.paper import Metric

BOLD = "Bold: may rank first, as its seeds cannot tell it from the best."
METRIC = (SheetColumn("metric", only="csv"), SheetColumn("metric", folds=True, only="shown"))
RANKS = (
    SheetColumn("rank", "figure", only="shown"),
    SheetColumn("first rank", "number", only="csv"),
    SheetColumn("last rank", "number", only="csv"),
)
INTERVALS = "Intervals hold at 95 % over seeds."


def places_sheet(board: Board) -> Sheet:
    """Every complete entry at its place: rank, mean, differences and costs."""
    against = tuple(dict.fromkeys(row for table in board.tables for row in table.against))
    costs = tabled(one.line for table in board.tables for place in table.places for one in place.standings)
    sheet = Sheet(f"{board.title}, tier {board.tier}", (*place_columns(against), *cost_columns(costs)))
    sheet.notes = [BOLD, INTERVALS]
    group = 0
    for table in board.tables:
        names = setting_names(list(dict.fromkeys(place.setting for place in table.places)))
        for place in table.places:
            group += 1
            for one in place.standings:
                cells = [
                    *place_cells(table, place, names[place.setting], one),
                    *differences(table, place, one, against),
                ]
                spent = [one.line.costs.get(cost.name) for cost in costs]
                shown = [amount_text(value) if value is not None else None for value in spent]
                pairs = [part for pair in zip(spent, shown, strict=True) for part in pair]
                tags = Tags(place.setting.task, place.setting.model, place.density, one.line.row)
                sheet.add([*cells, *pairs], tags, group)
    return sheet


def place_columns(against: tuple[str, ...]) -> tuple[SheetColumn, ...]:
    """What an entry has before its costs."""
    apart = [
        column
        for row in against
        for column in (
            SheetColumn(f"less {clean(row)}", "amount"),
            SheetColumn("p" if len(against) == 1 else f"p, less {clean(row)}", "p"),
            SheetColumn("mark" if len(against) == 1 else f"mark, less {clean(row)}", "mark"),
        )
    ]
    return (
        SheetColumn("table", folds=True),
        *(SheetColumn(axis, only="csv") for axis in AXES),
        SheetColumn("setting", folds=True, only="shown"),
        *METRIC,
        SheetColumn("density", "density", folds=True),
        SheetColumn("submission", folds=True),
        *RANKS,
        SheetColumn("row"),
        SheetColumn("method", only="csv"),
        SheetColumn("scorer", only="csv"),
        SheetColumn("mean", "amount"),
        *apart,
        SheetColumn("seeds", "number", folds=True),
    )


def cost_columns(costs: list[BoardCost]) -> Iterator[SheetColumn]:
    """A cost is a plain number for programs, and has a prefix for readers."""
    for cost in costs:
        yield SheetColumn(cost.heading, "number", only="csv")
        yield SheetColumn(cost.heading, "figure", only="shown")


def place_cells(table: Table, place: Place, setting: str, one: Standing) -> list[SheetCell]:
    """An entry up to its mean."""
    metric = table.metrics[place.metric]
    line = one.line
    mean = Amount(one.interval, metric, best=one.ranks.first == 1 and len(place.standings) > 1)
    where: list[SheetCell] = [table.title, *place.setting, setting, *metric_cells(metric), place.density]
    return [*where, line.submission, *rank_cells(one.ranks), line.row, line.method, line.scorer, mean]


def differences(table: Table, place: Place, one: Standing, against: tuple[str, ...]) -> list[SheetCell]:
    """An entry's differences to the rows that it is compared with, and how many seeds they have."""
    cells: list[SheetCell] = []
    for row in against:
        cells += difference_cells(one.against.get(row), table.metrics[place.metric])
    return [*cells, len(place.seeds)]


def difference_cells(found: Comparison | None, metric: Metric) -> list[SheetCell]:
    """A difference, its corrected p, and its mark."""
    if found is None:
        return [None, None, None]
    return [Amount(found.interval, metric, sign=True), found.corrected, found.mark]


def metric_cells(metric: Metric) -> list[SheetCell]:
    """A metric for programs, which read it as it is recorded, and for readers with its unit."""
    return [metric.title, f"{clean(metric.title)}{', %' * metric.percent}"]


def rank_cells(ranks: RankRange) -> list[SheetCell]:
    """A range of ranks in words, and its ends."""
    return [rank_text(ranks), ranks.first, ranks.last]


def overall_sheet(board: Board, chosen: Chosen) -> Sheet:
    """How every row stands over the places of each contest; of those places that are asked for, where some are."""
    columns = (
        SheetColumn("table", folds=True),
        *METRIC,
        SheetColumn("contest", "number", folds=True),
        SheetColumn("places", "number", only="csv"),
        SheetColumn("over", only="csv"),
        *RANKS,
        SheetColumn("submission", folds=True),
        SheetColumn("row"),
        SheetColumn("method", only="csv"),
        SheetColumn("scorer", only="csv"),
        SheetColumn("mean", "amount"),
        SheetColumn("less", folds=True),
        SheetColumn("difference", "amount"),
        SheetColumn("p", "p"),
        SheetColumn("mark", "mark"),
        SheetColumn("mean rank", "amount"),
        SheetColumn("complete at", "number", only="csv"),
        SheetColumn("complete at", "number", only="shown"),
        SheetColumn("seeds", "number", folds=True),
    )
    sheet = Sheet(f"{board.title}, tier {board.tier}, overall", columns, notes=[BOLD, INTERVALS])
    group = 0
    for table in board.tables:
        for contest in chosen_contests(table, chosen):
            group += 1
            add_contest(sheet, table, contest, group)
    return sheet


def chosen_contests(table: Table, chosen: Chosen) -> list[Contest]:
    """A table's contests, of those places alone that are asked for."""
    wide = replace(chosen, rows=())
    places = [one for one in table.places if wide.takes(Tags(one.setting.task, one.setting.model, one.density))]
    return table.contests if len(places) == len(table.places) else contests_of(places, table.rules)


def add_contest(sheet: Sheet, table: Table, contest: Contest, group: int) -> None:
    """The rows of one contest, and those that are complete at some of its places only."""
    metric, over = table.metrics[contest.metric], contest_places(contest, table)
    where: list[SheetCell] = [table.title, *metric_cells(metric), group, len(contest.places), over]
    sheet.notes.append(f"Contest {group} is over {len(contest.places)} places: {over}.")
    than = contest.than or "the mean of the rows"
    for one in contest.contenders:
        submission, row, method, scorer = one.series
        cells = [*rank_cells(one.ranks), submission, row, method, scorer, *contender_cells(one, metric, than, contest)]
        sheet.add([*where, *cells, len(contest.places), None, len(contest.seeds)], Tags(row=row), group)
    for (submission, row, method, scorer), count in contest.partial.items():
        empty: list[SheetCell] = [None, than, None, None, None, None]
        cells = [None, None, None, submission, row, method, scorer, *empty, count, count, len(contest.seeds)]
        sheet.add([*where, *cells], Tags(row=row), group)


def contender_cells(one: Contender, metric: Metric, than: str, contest: Contest) -> list[SheetCell]:
    """A row's mean, difference and mean rank."""
    mean = Amount(one.interval, metric, best=one.ranks.first == 1 and len(contest.contenders) > 1)
    return [mean, than, *difference_cells(one.found, metric), Amount(one.rank, unit="x")]
