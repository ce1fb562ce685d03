"""The page: one HTML file that needs nothing besides itself. All text is data and is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ticketbench.render.chart_code import chart_library
from ticketbench.report.contents import Report
from ticketbench.report.grids import PAPER

CAPTIONS = {
    (
        "curve",
        "range",
    ): "Line: mean over seeds; band: smallest to largest seed; dotted upright: the budget of training.",
    ("curve", "std"): "Line: mean over seeds; band: one standard deviation; dotted upright: the budget of training.",
    ("size", "range"): "Line: weights that remain, mean over seeds; band: smallest to largest seed.",
    ("size", "std"): "Line: weights that remain, mean over seeds; band: one standard deviation.",
    ("initial_weights", "range"): "One network of each initializer, before anything is trained.",
    ("initial_weights", "std"): "One network of each initializer, before anything is trained.",
    ("map", "range"): "Hollow: a start; filled: an end; distances to one scale, as nearly as the plane allows.",
    ("map", "std"): "Hollow: a start; filled: an end; distances to one scale, as nearly as the plane allows.",
}
"""What a reader of a chart must know, by kind and band."""
STATES = {"supports": "yes", "contradicts": "no", "as good": "yes"}


def render(report: Report, charts: Mapping[str, Mapping[str, Any]], files: Mapping[str, Sequence[Path]]) -> str:
    """The text of a report's page: one HTML file that opens without a network."""
    templates = Environment(
        loader=PackageLoader("ticketbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {name: data_address(path) for name, paths in files.items() for path in paths if path.suffix == ".svg"}
    return templates.get_template("page.html").render(
        report=report,
        results=report.results,
        suite=report.results.suite,
        charts=dict(charts),
        pictures=pictures,
        files={name: [path.name for path in paths] for name, paths in files.items()},
        library=chart_library() if charts else "",
        states=STATES,
        captions=CAPTIONS,
        paper=PAPER,
    )


def data_address(path: Path) -> str:
    """A picture as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
