"""The folder of a bundle: five files of known names, of limited size, and nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from ticketbench.board.bundle.manifest import MANIFEST, MOST_BYTES, Manifest
from ticketbench.board.bundle.refusal import BundleError, shown_text
from ticketbench.files import reason_of
from ticketbench.store.tables import SCHEMAS

VERDICT = "verdict.toml"
MIB = 2**20
FILES = {f"{table}.parquet": (MIB if table == "environments" else 64 * MIB) for table in SCHEMAS}
"""File of records -> the bytes it may have."""
KNOWN = {MANIFEST: MOST_BYTES, VERDICT: MOST_BYTES, **FILES}
OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def check_names(folder: Path) -> None:
    """Every file is one of a bundle's, and all that it must have are there."""
    missing = {MANIFEST, *FILES}
    try:
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            raise BundleError(f"{shown_text(folder.name)} is a link. A bundle is a folder; give the one it points at.")
        with os.scandir(folder) as entries:
            for entry in entries:  # stops at the first wrong one, however many there are
                if entry.name not in KNOWN:
                    raise BundleError(
                        f"unknown file {shown_text(entry.name)}. A bundle has {', '.join(sorted(KNOWN))} only."
                    )
                if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    raise BundleError(f"{entry.name} is a link, a folder or a device. It must be a plain file.")
                missing.discard(entry.name)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"cannot read the folder {shown_text(str(folder))}: {shown_text(reason_of(error))}. "
            "Give the folder of a bundle."
        ) from None
    if missing:
        raise BundleError(f"{min(missing)} is missing. `ticketbench submit` writes a bundle of {', '.join(KNOWN)}.")


def read_file(folder: Path, name: str) -> bytes:
    """A file's bytes: never through a link, never more than it may have."""
    try:
        handle = os.open(folder / name, OPEN)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BundleError(f"{name} is a link, a folder or a device. It must be a plain file.")
            if found.st_size > KNOWN[name]:
                raise BundleError(f"{name} has {found.st_size} bytes; it may have {KNOWN[name]}")
            return file.read(KNOWN[name] + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise BundleError(f"{name} is a link, a folder or a device. It must be a plain file.") from None
        raise BundleError(f"cannot read {name}: {shown_text(reason_of(error))}") from None


def read_records(folder: Path, name: str, manifest: Manifest) -> bytes:
    """A file of records, with the size and the hash that the manifest says."""
    said = manifest.files[name]
    content = read_file(folder, name)
    if len(content) != said.size:
        raise BundleError(f"{name} has {len(content)} bytes; {MANIFEST} says {said.size}. Submit again.")
    found = hashlib.sha256(content).hexdigest()
    if found != said.sha256:
        raise BundleError(f"{name} has sha256 {found}; {MANIFEST} says {said.sha256}. Submit again.")
    return content


def check_files(manifest: Manifest) -> None:
    """The manifest speaks of the files of records, all of them and no others."""
    for name in manifest.files:
        if name not in FILES:
            raise BundleError(f"{MANIFEST}: unknown file {shown_text(name)}. Valid: {', '.join(FILES)}.")
    for name in FILES:
        if name not in manifest.files:
            raise BundleError(f"{MANIFEST}: [files.{name}] is missing")
