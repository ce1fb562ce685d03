"""Lines of text out of files of every form, a block at a time, so that memory does not grow with the file."""

from __future__ import annotations

import gzip
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from ticketbench import DataError
from ticketbench_tasks.archives import check

CHUNK = 1 << 20
LONGEST_LINE = 1 << 24


def lines_of(where: object, chunks: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 bytes as blocks of whole lines, each line ending in \\n, the last one as well."""
    pending, done = b"", 0
    for chunk in chunks:
        pending += chunk
        cut = pending.rfind(b"\n") + 1
        if cut:
            yield decoded(where, pending[:cut], done)
            pending, done = pending[cut:], done + cut
        if len(pending) > LONGEST_LINE:
            raise DataError(f"{where} has a line of more than {LONGEST_LINE:,} bytes at byte {done:,}: it is no text")
    if pending:
        yield decoded(where, pending + b"\n", done)


def decoded(where: object, content: bytes, done: int) -> str:
    """Bytes as text; `done` bytes of the file lie before them."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        at, byte = done + error.start, content[error.start]
        raise DataError(f"{where} is not UTF-8 text: byte {at:,} is 0x{byte:02x}. Save it as UTF-8.") from None


# -- where the bytes come from -----------------------------------------------------------------------------------


def text_file(path: Path) -> Iterator[bytes]:
    """The content of a plain file, or of a .gz file."""
    packed = path.suffix == ".gz"
    with readable(path, "a .gz file" if packed else "a file"), gzip.open(path) if packed else path.open("rb") as file:
        yield from chunks_of(file)


def zip_member(path: Path, member: str) -> Iterator[bytes]:
    """The content of one member of a .zip file; nothing is extracted to the disk."""
    with readable(path, "a .zip file"), zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise DataError(f"{path} lacks {member}")
        with archive.open(member) as file:
            yield from chunks_of(file)


def tar_members(path: Path, pattern: str, expected: int) -> Iterator[bytes]:
    """The content of all members of a .tar.gz file with such a name, in the archive's order, each to its last line.

    There must be exactly `expected` of them; what comes behind the last is not read.
    """
    found: set[str] = set()
    with readable(path, "a .tar.gz archive"), tarfile.open(path, "r:gz") as archive:
        while len(found) < expected and (member := archive.next()):
            check(path, member)
            if not re.fullmatch(pattern, member.name):
                continue
            file = archive.extractfile(member)
            if member.name in found or file is None:
                raise DataError(f"{path} has '{member.name}' twice, or as a folder")
            found.add(member.name)
            last = b"\n"
            for chunk in chunks_of(file):
                last = chunk[-1:]
                yield chunk
            if last != b"\n":
                yield b"\n"
    if len(found) < expected:
        raise DataError(f"{path} has {len(found)} of the {expected} members {pattern}")


def chunks_of(file: IO[bytes] | BufferedIOBase) -> Iterator[bytes]:
    """A file's bytes, some at a time."""
    while chunk := file.read(CHUNK):
        yield chunk


@contextmanager
def readable(path: Path, form: str) -> Iterator[None]:
    """What a broken file raises, as an error that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path} cannot be read as {form}: {error}") from error
