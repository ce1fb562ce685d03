"""The command line as a real process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def command(*words: str | Path) -> Sequence[str]:
    """The words that start ticketbench in a process of its own."""
    return [sys.executable, "-m", "ticketbench", *map(str, words)]
