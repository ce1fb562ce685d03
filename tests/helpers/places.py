"""Where things lie that tests read."""

from __future__ import annotations

from pathlib import Path

HELPERS = Path(__file__).parent
TESTS = HELPERS.parent
ROOT = TESTS.parent
LEADERBOARDS = ROOT / "leaderboards"
STRANGER = TESTS / "stranger" / "ticketbench_stranger.py"
