"""Records to read, wherever they lie: what results, reports and boards ask of a store or a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Records(Protocol):
    """Whatever has the tables of a store."""

    @property
    def address(self) -> str:
        """Where the records lie, for messages: a path or an address."""

    def read(self, table: str) -> pa.Table:
        """A whole table by its name ("cells", "curves" …); of each cell the latest attempt only."""
