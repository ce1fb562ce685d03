"""Submissions of made-up records, for the tests of boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ticketbench.board.submission import Submission, from_store
from ticketbench.store.schema import CellRecord, Environment
from ticketbench.store.store import Store

ENVIRONMENT = Environment(
    environment="e1",
    ticketbench="0.1.0",
    commit="c0ffee",
    dirty=False,
    python="3.12.1",
    torch="2.13.0",
    numpy="2.1.0",
    plugins="ticketbench 0.1.0 (a), fisher 2 (b)",
    system="Linux",
    processor="abacus",
    cores=2,
    memory=2**40,
    accelerators="",
    threads=1,
)
SHARED = {
    "suite": "paper",
    "suite_version": 1,
    "tier": "smoke",
    "scorer": "",
    "model": "net",
    "task": "dots",
    "protocol": "one",
    "initializer": "plain",
    "recipe": "short",
    "precision": "fp32",
    "device_class": "cpu",
    "reason": "",
    "headline_metric": "accuracy",
    "parameters": 100,
    "flops": 2e6,
    "draw_seconds": 1.0,
    "train_seconds": 3.0,
    "finished": 1.0,
    "exact_density": 0.5,
}


def cell(
    row: str,
    density: float,
    seed: int,
    value: float | None,
    points: Mapping[float, float] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The fields of one record; a value of None is a cell that failed."""
    curve = [("test", "own", "accuracy", 0, "iterations", float(x), y) for x, y in (points or {}).items()]
    return {
        **SHARED,
        "key": f"{row}-{density:g}-{seed}",
        "row": row,
        "method": f"m-{row}",
        "density": density,
        "seed": seed,
        "status": "failed" if value is None else "ok",
        "headline": value,
        "curves": curve,
        **changes,
    }


def row(name: str, density: float, values: Sequence[float | None], **changes: Any) -> list[dict[str, Any]]:
    """A cell a seed, from seed 0 on."""
    return [cell(name, density, seed, value, **changes) for seed, value in enumerate(values)]


def store(path: Path, *rows: Sequence[Mapping[str, Any]], environment: Environment = ENVIRONMENT) -> Store:
    """A store of these rows."""
    made = Store(path, create=True)
    made.add([CellRecord.from_dict(one) for part in rows for one in part], environment)
    return made


def submission(path: Path, *rows: Sequence[Mapping[str, Any]]) -> Submission:
    """The one submission of a store of these rows."""
    (found,) = from_store(store(path, *rows), path.name)
    return found


def places(root: Path, name: str = "ours", suite: str = "paper", tier: str = "smoke") -> Path:
    """The folder of a submission."""
    folder = root / suite / tier / "submissions" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder
