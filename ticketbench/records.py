"""Records to read: a store, or a submission, which is held against every rule of bundles before it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ticketbench.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


class Records(Protocol):
    """Whatever has the tables of a store."""

    @property
    def address(self) -> str:
        """Where they lie."""

    def read(self, table: str) -> pa.Table:
        """A whole table, each cell once."""


def open_records(address: str) -> Records:
    """The store or the submission at an address."""
    from ticketbench.board.bundle import read_bundle  # which reads more of the package than a run needs
    from ticketbench.board.manifest import MANIFEST

    return read_bundle(Path(address)) if (Path(address) / MANIFEST).is_file() else Store(address)
