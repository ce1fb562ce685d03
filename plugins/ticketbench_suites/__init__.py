"""The built-in suites: a TOML file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ticketbench import hookimpl


@hookimpl
def ticketbench_suites() -> Sequence[Path]:
    """Every TOML file of this folder."""
    return sorted(Path(__file__).parent.glob("*.toml"))
