"""Records as short as a test wants them: what it does not speak of is invented."""

from __future__ import annotations

from typing import Any

from ticketbench.store.schema import CellRecord

AXES = {
    "suite": "s",
    "suite_version": 1,
    "tier": "smoke",
    "row": "r",
    "method": "m",
    "model": "net",
    "task": "t",
    "protocol": "p",
    "initializer": "i",
    "recipe": "plain",
    "density": 0.5,
    "seed": 0,
    "precision": "fp32",
    "device_class": "cpu",
}


def plain(key: str = "k", **said: Any) -> CellRecord:
    """A record that says this and no more; points and findings may be plain tuples."""
    return CellRecord.from_dict({**AXES, "key": key, **said})
