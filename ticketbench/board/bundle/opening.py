"""Opening records of either kind: a store, or a submission, which is held against every rule before it is believed."""

from __future__ import annotations

from pathlib import Path

from ticketbench.board.bundle.manifest import MANIFEST
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.results.records import Records
from ticketbench.store.store import Store


def open_records(address: str) -> Records:
    """The store or the submission at an address."""
    return read_bundle(Path(address)) if (Path(address) / MANIFEST).is_file() else Store(address)
