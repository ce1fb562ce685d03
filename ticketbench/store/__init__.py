"""The store of records: its tables, its parts on disk, its locks, and where records come from."""

from ticketbench.store.store import Store as Store
