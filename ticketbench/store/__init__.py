"""The store of records: its tables, its parts on disk, its locks, and where records come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ticketbench.store.store import Store as Store


def __getattr__(name: str) -> Any:
    """`Store`, when it is asked for: records can be spoken of without the libraries that files need."""
    if name == "Store":
        from ticketbench.store.store import Store

        return Store
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
