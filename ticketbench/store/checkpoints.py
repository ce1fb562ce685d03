"""Checkpoints of fleets, beside the records: files that are there whole or not at all, one a fleet.

A checkpoint is a safetensors file: its header says in words what it is of and who can go on from it, and how a fleet
stood; tensors follow. This file reads headers alone, without any library for tensors, and decides which checkpoints a
run goes on from and which are of no use any more. The engine writes them, and goes on from them.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ticketbench.files import remove
from ticketbench.store.store import Store

CHECKPOINT_FORMAT = "ticketbench-checkpoint-1"
CHECKPOINT_SUFFIX = ".checkpoint.safetensors"
CHECKPOINT_HEADER = 100 * 2**20
UNTOUCHED_DAYS = 30
"""After so long a checkpoint whose cells are in no plan any more is removed: their plugins have changed."""
UNFINISHED_SECONDS = 3600
"""After so long a file that was never completed is nobody's any more."""


class CheckpointError(Exception):
    """A file that is no checkpoint that this version can go on from."""


@dataclass(frozen=True)
class Held:
    """A checkpoint as its header describes it."""

    name: str
    keys: tuple[str, ...]
    """The cells that had not ended, those that had a seat first."""
    seats: int


def checkpoints_folder(store: Store) -> Path | None:
    """Where a store's checkpoints lie; None where it is no folder of this machine."""
    return None if store.local is None else store.local / "checkpoints"


def checkpoint_file(folder: Path, name: str) -> Path:
    """The file of a fleet's checkpoint."""
    return folder / f"{name}{CHECKPOINT_SUFFIX}"


def header_of(path: Path) -> dict[str, str]:
    """The words in a checkpoint's header, if the file is one and complete."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > CHECKPOINT_HEADER:
                raise CheckpointError("its header is too long")
            header = json.loads(file.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        words = header["__metadata__"]
        if path.stat().st_size != 8 + length + end:
            raise CheckpointError("it has another size than it says")
        if words["format"] != CHECKPOINT_FORMAT or not isinstance(words["about"], str):
            raise CheckpointError(f"it is not of format {CHECKPOINT_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error) as error:
        raise CheckpointError(f"{type(error).__name__}: {error}") from error
    return dict(words)


def about(path: Path, ours: Mapping[str, Any]) -> Held:
    """What a checkpoint is of; a `CheckpointError` if it was made by others than us."""
    try:
        found = json.loads(header_of(path)["about"])
        for name, value in ours.items():
            if found[name] != value:
                raise CheckpointError(f"it was made with {name} {found[name]}; here it is {value}")
        return Held(path.name.removesuffix(CHECKPOINT_SUFFIX), tuple(map(str, found["cells"])), int(found["seats"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{type(error).__name__}: {error}") from error


def usable(
    folder: Path, ours: Mapping[str, Any], wanted: Collection[str], finished: Collection[str]
) -> Iterator[Held | str]:
    """The checkpoints that a run goes on from, the newest first, and a line about each that is of no use.

    It goes on from those whose cells it has to compute; cells that were finished since are led to their end once more,
    as their neighbours depend on them to the last bit. What has no cell left is removed, and so is what nobody can go
    on from. Where other cells are missing, as in a smaller selection, a checkpoint waits for the run that wants them.
    """
    if not folder.is_dir():
        return
    taken: set[str] = set()
    for path in sorted(folder.glob(f"*{CHECKPOINT_SUFFIX}"), key=written_at, reverse=True):
        if path.name.startswith("."):
            continue
        try:
            held = about(path, ours)
        except CheckpointError as error:
            remove(path)
            yield f"the checkpoint {path.name} is of no use and was removed: {error}"
            continue
        left = {key for key in held.keys if key not in finished or key in wanted}
        old = time.time() - written_at(path) > UNTOUCHED_DAYS * 86400
        if not left or (old and not left & set(wanted)):
            remove(path)
        elif left <= set(wanted) and not left & taken:
            taken |= left
            yield held
    for path in folder.glob(".*.tmp"):
        if time.time() - written_at(path) > UNFINISHED_SECONDS:
            remove(path)


def written_at(path: Path) -> float:
    """When a file was written last; long ago if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
