"""Records to read, wherever they lie: what results, reports and boards ask of a store or a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Records(Protocol):
    """Whatever has the tables of a store."""

    @property
    def address(self) -> str:
        """Where they lie."""

    def read(self, table: str) -> pa.Table:
        """A whole table, each cell once."""
