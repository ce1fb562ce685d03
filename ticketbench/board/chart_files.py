"""A board's charts as files: SVG, with the same bytes whenever the chart is the same.

Letters are those of the machine's fonts, and where they stand depends on them. So that every machine makes the same
boards, a file ends with the hash of its chart, and is drawn again only where that is another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ticketbench.render.drawing import DRAWING, svg_of


def chart_file(chart: Mapping[str, Any], path: Path | None = None) -> bytes:
    """The chart as SVG; a file that is there already is kept where it is of this chart."""
    mark = chart_mark(chart)
    if path is not None and path.is_file():
        found = path.read_bytes()
        if found.endswith(mark):
            return found
    return f"{svg_of(chart)}\n".encode() + mark


def chart_mark(chart: Mapping[str, Any]) -> bytes:
    """What a file ends with: a hash of the chart, of the way it is drawn, and of the library that draws."""
    text = json.dumps([version("vl-convert-python"), DRAWING, chart], sort_keys=True)
    return f"<!-- chart {hashlib.sha256(text.encode()).hexdigest()} -->\n".encode()
