"""Durations on the command line: a number and a unit."""

from __future__ import annotations

import re
from typing import Any

import rich_click as click
from typing_extensions import override

SECONDS_OF = {"": 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in new releases of click alone
    """Seconds, written as 90, 90s, 8m or 1.5h."""

    name = "duration"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([smh]?)", str(value).strip())
        if found is None or not float(found[1]):
            self.fail(f"{value!r} is no duration: give a number of seconds, or one with a unit, as in 90s, 8m or 1.5h")
        return float(found[1]) * SECONDS_OF[found[2]]
