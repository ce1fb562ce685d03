"""Files that are there whole or not at all: written beside their place, synced, and then given their name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def cache_folder() -> Path:
    """What may be made again lies there: ticketbench in $XDG_CACHE_HOME, else in ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "ticketbench"


@contextmanager
def written(target: Path, partial: Path | None = None) -> Iterator[Path]:
    """A place to write a file, or a folder, that gets its name when it is complete.

    Where anything is raised, what was written is removed and the target is as it was. `partial` is another place than
    beside the target; it must lie on the same disk.
    """
    place = partial or target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield place
        put(place, target)
    except BaseException:
        remove(place)
        raise


def put(partial: Path, target: Path) -> None:
    """Give a complete file or folder its name, in a way that lasts through a power cut."""
    for file in sorted(partial.iterdir()) if partial.is_dir() else ():
        sync(file)
    sync(partial)
    os.replace(partial, target)
    sync(target.parent)


def write_bytes(target: Path, content: bytes) -> None:
    """A file of this content; one of that name is replaced."""
    with written(target) as place:
        place.write_bytes(content)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """A file or a folder that is no longer wanted, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # what cannot even be looked at is not ours
            path.unlink(missing_ok=True)


def reason_of(error: BaseException) -> str:
    """What the operating system or a library said, on one line."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).splitlines()[0] if text else type(error).__name__
