"""What this machine was found to take, as a multiple of the estimate: remembered by model, to correct later estimates.

A small JSON file in the user's cache folder has, for each machine (processor, threads and card, versions of torch and
ticketbench) and each model, a running geometric mean of seconds taken over seconds estimated. The mean follows the last
dozen runs; a run of seconds moves it little, and any run counts as a factor of twenty at most. A file that cannot be
read counts as none, one that cannot be written is left: estimates decide no result.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ticketbench import version
from ticketbench.files import cache_folder, write_bytes
from ticketbench.store.environment import processor

RATES_VARIABLE = "TICKETBENCH_RATES"
"""Names another file than the one in the user's cache folder."""
LIMIT = 20.0
"""What one run can say at most: so many times more or less than estimated."""
RUNS = 12
"""The mean forgets runs that are older than about so many."""
WORTH_LEARNING = 2.0
"""Seconds that a model must have been computed for in a run to say anything."""
TELLING = 10.0
"""Seconds after which a run counts half of what a long one does."""


@dataclass
class Measured:
    """The ratios that are known of one machine."""

    machine: str
    place: Path
    ratios: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Model -> the mean ratio, and of how many runs."""

    @classmethod
    def here(cls, card: str = "", threads: int = 1) -> Measured:
        """What is known of this machine, with a card or without."""
        found = cls(machine_key(card, threads), rates_file())
        found.ratios = ratios_in(entries_in(found.place).get(found.machine))
        return found

    def factor(self, model: str) -> float | None:
        """Seconds taken over seconds estimated, or None where the model was never computed here."""
        return self.ratios[model][0] if model in self.ratios else None

    def learn(self, taken: Mapping[str, float], estimated: Mapping[str, float]) -> None:
        """A run took so many seconds by model, where so many were estimated without correction."""
        news = {
            model: min(LIMIT, max(1 / LIMIT, seconds / estimated[model]))
            for model, seconds in taken.items()
            if seconds >= WORTH_LEARNING and estimated.get(model, 0.0) > 0
        }
        if not news:
            return
        with suppress(OSError), one_writer(self.place):
            everything = entries_in(self.place)
            self.ratios = ratios_in(everything.get(self.machine))
            for model, ratio in news.items():
                mean, runs = self.ratios.get(model, (1.0, 0))
                weight = taken[model] / (taken[model] + TELLING) / min(runs + 1, RUNS)
                mean = math.exp((1 - weight) * math.log(mean) + weight * math.log(ratio))
                self.ratios[model] = (mean, runs + 1)
            everything[self.machine] = {model: [*pair] for model, pair in sorted(self.ratios.items())}
            write_bytes(self.place, json.dumps(everything, indent=1).encode())


def machine_key(card: str, threads: int) -> str:
    """Everything about this machine that the time a model takes depends on."""
    import torch

    parts = [processor(), f"{threads} threads", *([card] if card else [])]
    return ", ".join([*parts, f"torch {torch.__version__}", f"ticketbench {version.__version__}"])


def rates_file() -> Path:
    """Where the ratios lie: $TICKETBENCH_RATES, else rates.json in the user's cache folder."""
    own = os.environ.get(RATES_VARIABLE)
    return Path(own).expanduser().absolute() if own else cache_folder() / "rates.json"


def entries_in(place: Path) -> dict[str, Any]:
    """Machine -> what the file has of it; nothing of a file that is missing or broken."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def ratios_in(entry: object) -> dict[str, tuple[float, int]]:
    """Model -> mean and count, without what is none."""
    found = {}
    for model, pair in entry.items() if isinstance(entry, dict) else ():
        match pair:
            case [float() | int() as mean, int() as runs] if 1 / LIMIT <= mean <= LIMIT and runs > 0:
                found[model] = (float(mean), runs)
    return found


@contextmanager
def one_writer(place: Path) -> Iterator[None]:
    """One writer at a time, so that runs that end together all count."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
