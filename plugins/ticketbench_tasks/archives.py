"""Members of a tar archive, read in memory: nothing is extracted to the disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from ticketbench import DataError


def read_members(path: Path, wanted: Collection[str], at_most: int) -> dict[str, bytes]:
    """The content of exactly these members of a .tar.gz file, none above `at_most` bytes.

    An archive that lacks one or has it twice, or that holds a link, a device, or a name that leads out of its
    folder, is refused.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                check(path, member)
                if member.name not in wanted:
                    continue
                if member.name in found or member.size > at_most:
                    raise DataError(f"{path} has '{member.name}' twice, or larger than {at_most:,} bytes")
                content = archive.extractfile(member)
                if content is None:
                    raise DataError(f"{path}: '{member.name}' is no file")
                found[member.name] = content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read as a .tar.gz archive: {error}") from error
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}")
    return found


def check(path: Path, member: tarfile.TarInfo) -> None:
    """Refuse what has no place in an archive of data."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{path} is refused: its member '{member.name}' leads out of the archive")
    if not (member.isreg() or member.isdir()):
        raise DataError(f"{path} is refused: its member '{member.name}' is neither a file nor a folder")
