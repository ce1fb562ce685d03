"""Claims: two runs on one store share the work, and neither computes what the other is computing.

A run holds an operating-system lock on its own file of claimed keys for as long as it lives; the lock dies
with it, however it dies. Claiming happens under one lock of the whole store.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ticketbench.errors import StoreError
from ticketbench.files import reason_of
from ticketbench.store.store import REMEDY, Store


class Claims:
    """The cells that this run has taken, and those that other living runs have."""

    def __init__(self, store: Store, run_id: str = "") -> None:
        self.store = store
        self.folder = store.local / "claims" if store.local is not None else None
        self._file: IO[str] | None = None
        if self.folder is not None:
            with self._store_lock():
                path = self.folder / f"{run_id or uuid.uuid4().hex}.claims"
                self._file = path.open("w", encoding="utf-8")
                fcntl.flock(self._file, fcntl.LOCK_EX)

    def take(self, keys: Sequence[str], again: frozenset[str] = frozenset()) -> list[str]:
        """Those of the cells that are neither finished nor another run's; they are this run's now.

        Finished cells in `again` are taken all the same.
        """
        with self._store_lock():
            others = self.others()  # before the finished ones: a run writes its cells before it lets go
            finished = self.store.statuses()
            free = [key for key in keys if key not in others and (key in again or key not in finished)]
            if self._file is not None and free:
                self._file.write("".join(f"{key}\n" for key in free))
                self._file.flush()
            return free

    def others_now(self) -> set[str]:
        """The keys that other living runs have claimed at this moment."""
        with self._store_lock():
            return self.others()

    def others(self) -> set[str]:
        """As `others_now`, under the store's lock; files of dead runs are removed."""
        if self.folder is None or self._file is None:
            return set()
        taken: set[str] = set()
        for path in self.folder.glob("*.claims"):
            if path.name == Path(self._file.name).name:
                continue
            with path.open(encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    taken.update(file.read().split())
                else:
                    path.unlink(missing_ok=True)
        return taken

    def close(self) -> None:
        """Let go of every cell that this run has claimed, so that others may take them."""
        file, self._file = self._file, None
        if file is not None:
            with self._store_lock():
                Path(file.name).unlink(missing_ok=True)
                with suppress(OSError):  # a disk that is full still holds back what could not be claimed
                    file.close()

    @contextmanager
    def _store_lock(self) -> Iterator[None]:
        if self.folder is None:
            yield
            return
        try:
            self.folder.mkdir(exist_ok=True)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(f"cannot write claims to {self.folder}: {reason_of(error)}. {REMEDY}") from error
