"""The files of public data sets on this machine: where they lie, and whether they are the right ones.

Nothing here can use the network; `ticketbench data fetch` does, through `ticketbench.download`.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ticketbench.errors import DataError
from ticketbench.files import cache_folder
from ticketbench.plugin.contracts import Remote

FOLDER_VARIABLE = "TICKETBENCH_DATA"
HASHED_AT_ONCE = 1 << 20

FileState = Literal["verified", "missing", "partial", "wrong"]


def data_folder() -> Path:
    """Where data files lie: $TICKETBENCH_DATA, else ticketbench in $XDG_CACHE_HOME, else in ~/.cache."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own).expanduser().absolute() if own else cache_folder()


def verified_file(remote: Remote, who: str) -> Path:
    """The file in the data folder, with the right checksum; `who` is the name of the task that needs it.

    It never uses the network: a `DataError` says how to bring the file.
    """
    path = file_place(remote, data_folder())
    state = file_state(remote, path.parent)
    if state == "verified":
        return path
    if state == "wrong":
        problem = f"{path} is not the file that task '{who}' needs: its size or its checksum is another"
    else:
        problem = f"task '{who}' needs the file {remote.name} ({remote.size:,} bytes), which is not in {path.parent}"
    raise DataError(f"{problem}. Run `ticketbench data fetch {who}`, or {by_hand(remote, path.parent)}.")


def file_state(remote: Remote, folder: Path) -> FileState:
    """What the folder has of a file."""
    path = file_place(remote, folder)
    if matches(remote, path):
        return "verified"
    if path.exists():
        return "wrong"
    return "partial" if part_of(path).exists() else "missing"


def matches(remote: Remote, path: Path) -> bool:
    """Whether this is the file, or one that unpacks to the same content."""
    try:
        about = path.stat()
        if not path.is_file():
            return False
        version = (about.st_size, about.st_mtime_ns, about.st_ino)
        if about.st_size == remote.size and checksum(path, *version) == remote.sha256:
            return True
        content = remote.unpacked_sha256
        return bool(content) and unpacked_checksum(path, remote.unpacked_size, *version) == content
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


@lru_cache(maxsize=64)
def checksum(path: Path, size: int, changed: int, inode: int) -> str:
    """The SHA-256 of a file, computed once as long as the file stays as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def unpacked_checksum(path: Path, at_most: int, size: int, changed: int, inode: int) -> str:
    """The SHA-256 of a .gz file's content, likewise; nothing if it is none, is broken, or holds more than that."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while block := file.read(HASHED_AT_ONCE):
                at_most -= len(block)
                if at_most < 0:
                    return ""
                digest.update(block)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def file_place(remote: Remote, folder: Path) -> Path:
    """Where a file lies in the folder; its name cannot lead elsewhere."""
    if not remote.name or remote.name.startswith(".") or Path(remote.name).name != remote.name:
        raise DataError(f"'{remote.name}' is not a plain file name")
    return folder / remote.name


def part_of(target: Path) -> Path:
    """Where a file's bytes are kept until all of them are there: a hidden file beside it."""
    return target.with_name(f".{target.name}.part")


def by_hand(remote: Remote, folder: Path) -> str:
    """How to bring a file without a network, for messages."""
    where = f"into {folder} yourself, as {remote.name}"
    return f"put the file from {remote.url} {where} ({FOLDER_VARIABLE} names another folder)"
