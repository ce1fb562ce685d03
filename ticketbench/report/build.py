"""Building a report: from the results of a tier to sections, files and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ticketbench.files import write_bytes
from ticketbench.render.findings import finding_words, setting_text
from ticketbench.report.answers import answer_grids
from ticketbench.report.contents import Drawing, JudgedClaim, Report
from ticketbench.report.grids import figure_grid, target_grid, trouble_grid, x_text
from ticketbench.report.maps import map_grid, map_of
from ticketbench.report.series import Series, series_of
from ticketbench.report.sizes import size_series
from ticketbench.report.weights import spread_grid, spreads_of
from ticketbench.results.judgement import judge
from ticketbench.results.results import Results
from ticketbench.results.verdicts import ClaimFinding
from ticketbench.suite.paper import Figure


def build_report(results: Results) -> Report:
    """Judge every claim, fill every figure and table."""
    judgement = judge(results)
    verdicts = [
        judged
        for number, found in enumerate(judgement.claims, 1)
        for judged in describe_claim(results, number, list(found))
    ]
    drawings = [fill(results, figure) for figure in results.suite.figures]
    answers = answer_grids(results, judgement)
    return Report(results, verdicts, drawings, target_grid(results), trouble_grid(results), judgement, answers)


def fill(results: Results, figure: Figure) -> Drawing:
    """A figure or a table with our values."""
    if figure.kind == "initial_weights":
        spreads = spreads_of(results, figure)
        return Drawing(figure, [], spread_grid(figure, spreads), spreads)
    if figure.kind == "map":
        found = map_of(results, figure)
        return Drawing(figure, [], map_grid(figure, found), map=found)
    series = size_series(results, figure) if figure.kind == "size" else series_of(results, figure)
    grid = figure_grid(results, figure, series)
    grid.notes.extend(notes_of(results, figure, series))
    return Drawing(figure, series, grid)


def notes_of(results: Results, figure: Figure, series: list[Series]) -> list[str]:
    """What a reader of a figure must know."""
    notes = [f"paper: {figure.source}"] if figure.source else []
    if not series:
        tasks = sorted({entry.record.task.partition(" ")[0] for entry in results.entries})
        return [*notes, f"tier {results.tier} has no cells of this figure; its tasks are {', '.join(tasks)}"]
    if figure.references and results.tier not in figure.comparable:
        tiers = " or ".join(figure.comparable)
        notes.append(f"the paper's numbers are of tier {tiers}: tier {results.tier} is another problem")
    if figure.y_scale == "log":
        drawn = [point.mean > 0 for one in series for point in one.points(figure.band)]
        lost = f"{drawn.count(False)} of {len(drawn)} points"
        notes += [] if all(drawn) else [f"not above zero, which a logarithmic axis does not have: {lost}"]
    if not any(one.curves for one in series):
        notes.append("no cell of this figure has been judged yet")
    curves = [curve for one in series for curve in one.curves.values()]
    swept = sorted({x for curve in curves for x in curve.x})
    absent = [x for x in figure.at if swept and all(curve.at(x) is None for curve in curves)]
    if absent:
        shown = ", ".join(x_text(x, figure) for x in absent)
        first, last = x_text(swept[0], figure), x_text(swept[-1], figure)
        notes.append(f"not judged at {shown}: this tier has {len(swept)} points from {first} to {last}")
    return notes


def describe_claim(results: Results, number: int, findings: list[ClaimFinding]) -> list[JudgedClaim]:
    """A claim's findings as text; settings of which nothing has been computed share one line."""
    absent = [finding for finding in findings if finding.absent]
    if len(absent) < 2:
        return [describe_finding(results, number, finding) for finding in findings]
    places = "; ".join(setting_text(results, finding.setting) for finding in absent)
    rest = JudgedClaim(
        number,
        absent[0].claim.text,
        "cannot tell",
        f"{len(absent)} more settings",
        "",
        "",
        absent[0].claim.source,
        f"not computed: {places}",
    )
    return [*(describe_finding(results, number, finding) for finding in findings if not finding.absent), rest]


def describe_finding(results: Results, number: int, finding: ClaimFinding) -> JudgedClaim:
    """What was found about a claim, as text: the number with its interval and unit."""
    claim, words = finding.claim, finding_words(results, finding)
    ours = f"{words.ours} over {finding.seeds} seeds" if words.ours else ""
    return JudgedClaim(
        number, claim.text, finding.verdict, words.setting, ours, words.paper, claim.source, finding.reason
    )


def write_report(report: Report, folder: Path) -> dict[str, list[Path]]:
    """The page, and each chart as files: figure -> paths; the page stands under ""."""
    from ticketbench.errors import StoreError
    from ticketbench.report.charts import chart_of, write_chart
    from ticketbench.report.map_charts import map_chart
    from ticketbench.report.page import render
    from ticketbench.report.weights import spread_chart

    try:
        folder.mkdir(parents=True, exist_ok=True)
        charts: dict[str, Mapping[str, Any]] = {}
        files: dict[str, list[Path]] = {}
        for drawing in report.drawings:
            chart = None
            if drawing.figure.kind == "initial_weights":
                chart = spread_chart(drawing.figure, drawing.spreads)
            elif drawing.figure.kind == "map":
                chart = map_chart(drawing.figure, drawing.map)
            elif drawing.figure.kind != "table":
                chart = chart_of(report.results, drawing.figure, drawing.series)
            if chart is not None:
                charts[drawing.figure.name] = chart
                files[drawing.figure.name] = list(write_chart(chart, folder, drawing.figure.name).values())
        page = folder / "index.html"
        write_bytes(page, render(report, charts, files).encode())
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(
            f"cannot write the report to {folder}: {reason}. Give --output a folder you may write to."
        ) from None
    return {"": [page], **files}
