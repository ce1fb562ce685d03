"""Fetch the files of public data sets: on request, resumable, held against size and checksum."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

from ticketbench import version
from ticketbench.datafiles.datafiles import FOLDER_VARIABLE, by_hand, file_place, matches, part_of
from ticketbench.errors import DataError
from ticketbench.files import put
from ticketbench.plugin.contracts import Remote

FETCHED_AT_ONCE = 1 << 18
STALLED_AFTER = 60.0
"""Seconds without a byte after which a connection counts as cut."""
SCHEMES = ("http", "https")

FetchProgress = Callable[[int], None]


def fetch(remote: Remote, folder: Path, progress: FetchProgress = lambda done: None) -> Path:
    """The file in the folder, verified; what of it is not there yet is fetched.

    What has come waits in `.<name>.part`, from where the next call goes on. `progress` hears how many bytes there
    are, also while another process fetches the same file and this one waits for it.
    """
    target = file_place(remote, folder)
    part = part_of(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if matches(remote, target):
            return target
        with held_part(part, progress) as file:
            if matches(remote, target):  # another process brought it meanwhile
                start_over(file)
            else:
                receive(remote, file, progress)
                finish(remote, file, target)
    except AnswerError as error:
        raise DataError(f"{remote.name}: {error}. Try again later, or {by_hand(remote, folder)}.") from error
    except OSError as error:
        raise DataError(disk_trouble(remote, part, error)) from error
    return target


def receive(remote: Remote, file: io.FileIO, progress: FetchProgress) -> None:
    """Append to a file what it lacks."""
    have = os.fstat(file.fileno()).st_size
    if have > remote.size:
        have = start_over(file)
    progress(have)
    if have == remote.size:
        return
    with opened(remote, have) as response:
        begin = starts_at(response)
        if begin not in (0, have):
            raise AnswerError(f"asked for the bytes from {have:,} on, the server sent others")
        if response.length is not None and begin + response.length != remote.size:
            raise AnswerError(f"the server has {begin + response.length:,} bytes under this name, not {remote.size:,}")
        if begin != have:
            have = start_over(file)
        while block := next_block(response, remote, have):
            if have + len(block) > remote.size:
                start_over(file)
                raise AnswerError(f"the server sends more than its {remote.size:,} bytes, and they were removed")
            write_part(file, block)
            have += len(block)
            progress(have)
    if have < remote.size:
        raise DataError(cut_back(remote, have, "the server closed it"))


def finish(remote: Remote, file: io.FileIO, target: Path) -> None:
    """Verify a complete file and give it its name, in a way that lasts through a power cut."""
    file.seek(0)
    if hashlib.file_digest(file, "sha256").hexdigest() != remote.sha256:
        start_over(file)
        raise AnswerError("what came has another checksum, and was removed")
    put(part_of(target), target)


# -- the server ------------------------------------------------------------------------------------------------


def opened(remote: Remote, have: int) -> HTTPResponse:
    """The server's answer, from byte `have` on if it can do that."""
    if urlsplit(remote.url).scheme not in SCHEMES:
        raise AnswerError(f"only http and https addresses are fetched, not {remote.url}")
    headers = {"User-Agent": f"ticketbench/{version.__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = web().open(request.Request(remote.url, headers=headers), timeout=STALLED_AFTER)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:  # it has less than we have: not what we began with
                return opened(remote, 0)
            raise AnswerError(f"the server answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise AnswerError(f"the server cannot be reached ({network_reason(error)})") from None
    return response


def web() -> request.OpenerDirector:
    """HTTP and HTTPS, through the user's proxy, and no other scheme, also where a server redirects."""
    director = request.OpenerDirector()
    proxies = {scheme: proxy for scheme, proxy in request.getproxies().items() if scheme in SCHEMES}
    for handler in (
        request.ProxyHandler(proxies),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        director.add_handler(handler)
    return director


def starts_at(response: HTTPResponse) -> int:
    """The first byte that an answer holds; −1 if a partial one does not say."""
    if response.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def next_block(response: HTTPResponse, remote: Remote, have: int) -> bytes:
    """What comes next; nothing at the end."""
    try:
        return response.read1(FETCHED_AT_ONCE)
    except (OSError, HTTPException) as error:
        raise DataError(cut_back(remote, have, network_reason(error))) from error


def cut_back(remote: Remote, have: int, reason: str) -> str:
    """The message about a connection that broke: how much is there, and how to go on."""
    there = f"{have:,} of {remote.size:,} bytes are there"
    return f"{remote.url}: the connection was cut ({reason}); {there}. The same command goes on from there."


def network_reason(error: BaseException) -> str:
    """An error in a few words; what urllib wraps, unwrapped."""
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


class AnswerError(Exception):
    """A server that does not give the file, however often it is asked to go on."""


# -- the disk --------------------------------------------------------------------------------------------------


@contextmanager
def held_part(part: Path, progress: FetchProgress) -> Iterator[io.FileIO]:
    """The unfinished file, open for appending, and no other process's for as long as that lasts.

    If it is empty in the end, it is removed.
    """
    while True:
        with part.open("ab+", buffering=0) as file:
            while not locked(file):
                progress(os.fstat(file.fileno()).st_size)
                time.sleep(0.1)
            try:
                current = os.path.samestat(os.fstat(file.fileno()), part.stat())
            except FileNotFoundError:
                current = False
            if current:  # and not one that another process finished or removed while this one waited
                try:
                    yield file
                finally:
                    if not os.fstat(file.fileno()).st_size:
                        part.unlink()
                return


def locked(file: io.FileIO) -> bool:
    """Whether the lock is ours now. It goes when the file is closed, however its process ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_part(file: io.FileIO, block: bytes) -> None:
    """All of it; an unbuffered write may take less than it is given."""
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def start_over(file: io.FileIO) -> int:
    """Forget what the file has; it is open for appending."""
    file.truncate(0)
    return 0


def disk_trouble(remote: Remote, part: Path, error: OSError) -> str:
    """A folder that cannot be written to."""
    elsewhere = f"{FOLDER_VARIABLE} names another folder"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write {remote.name} to {part.parent}: {network_reason(error)}. {elsewhere}."
    have = part.stat().st_size if part.exists() else 0
    full = f"the disk of {part.parent} is full: {have:,} of the {remote.size:,} bytes of {remote.name} are there"
    return f"{full}. Make room, and the same command goes on from there; or {elsewhere}."
