"""A suite for ticketbench: its matrix is the TOML file beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ticketbench import hookimpl


@hookimpl
def ticketbench_suites() -> Sequence[Path]:
    """The paths of suite files."""
    return [Path(__file__).with_name("sample.toml")]
