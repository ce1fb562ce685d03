"""Fetching data files: complete, resumed, refused, and never half-written."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import FileServer, cut_at, from_byte, other, pause_at, serving, status, whole

from ticketbench import DataError
from ticketbench.datafiles import download
from ticketbench.datafiles.datafiles import part_of
from ticketbench.datafiles.download import fetch

CONTENT = random.Random(0).randbytes(600_000)
HALF = 300_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of CONTENT."""
    monkeypatch.setenv("no_proxy", "*")
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "new" / "data"


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(os.listdir(folder))


def leave_part(folder: Path, content: bytes) -> None:
    """An unfinished file of an earlier fetch."""
    folder.mkdir(parents=True)
    part_of(folder / "data.bin").write_bytes(content)


def test_a_file_is_fetched_whole(server: FileServer, folder: Path):
    """One request; nothing but the file is left; progress ends with its size."""
    heard: list[int] = []
    path = fetch(server.remote, folder, heard.append)
    assert path == folder / "data.bin"
    assert path.read_bytes() == CONTENT
    assert names(folder) == ["data.bin"]
    assert server.ranges == [None]
    assert (heard[0], heard[-1]) == (0, 600_000)
    assert heard == sorted(heard)


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer, folder: Path):
    """The second call asks nobody."""
    fetch(server.remote, folder)
    assert fetch(server.remote, folder) == folder / "data.bin"
    assert server.ranges == [None]


def test_a_wrong_file_of_that_name_is_replaced(server: FileServer, folder: Path):
    """As `verified_file` promises."""
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(b"something else")
    assert fetch(server.remote, folder).read_bytes() == CONTENT


def test_a_cut_connection_keeps_what_came_and_goes_on_from_there(server: FileServer, folder: Path):
    """The error says how much is there; the next call asks for the rest only."""
    server.answers = [cut_at(HALF)]
    with pytest.raises(DataError, match=r"300,000 of 600,000 bytes are there\. The same command goes on from there"):
        fetch(server.remote, folder)
    assert names(folder) == [".data.bin.part"]
    heard: list[int] = []
    assert fetch(server.remote, folder, heard.append).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert heard[0] == HALF
    assert names(folder) == ["data.bin"]


def test_a_connection_can_be_cut_many_times(server: FileServer, folder: Path):
    """Each call gets a little further."""
    server.answers = [cut_at(100_000), cut_at(100_001), cut_at(599_999)]
    for there in ("100,000", "100,001", "599,999"):
        with pytest.raises(DataError, match=f"{there} of 600,000"):
            fetch(server.remote, folder)
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=100001-", "bytes=599999-"]


def test_a_server_that_ignores_the_range_starts_over(server: FileServer, folder: Path):
    """Answer 200 to a Range: the old part is not put before the whole."""
    leave_part(folder, CONTENT[:HALF])
    server.answers = [whole]
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == ["bytes=300000-"]


def test_a_server_that_sends_another_part_is_refused(server: FileServer, folder: Path):
    """What was there is kept."""
    leave_part(folder, CONTENT[:HALF])
    server.answers = [from_byte(200_000)]
    with pytest.raises(DataError, match="asked for the bytes from 300,000 on, the server sent others"):
        fetch(server.remote, folder)
    assert part_of(folder / "data.bin").read_bytes() == CONTENT[:HALF]


def test_a_range_that_the_server_does_not_have_starts_over(server: FileServer, folder: Path):
    """Answer 416, then everything."""
    leave_part(folder, CONTENT[:HALF])
    server.answers = [status(416)]
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == ["bytes=300000-", None]


def test_a_complete_part_needs_no_server(server: FileServer, folder: Path):
    """A kill between the last byte and the renaming."""
    leave_part(folder, CONTENT)
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_that_is_too_long_is_thrown_away(server: FileServer, folder: Path):
    """It cannot be the beginning of the file."""
    leave_part(folder, CONTENT + b"x")
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_wrong_checksum_removes_what_came(server: FileServer, folder: Path):
    """The right size, one bit wrong."""
    server.answers = [other(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))]
    with pytest.raises(DataError, match=r"data\.bin: what came has another checksum, and was removed"):
        fetch(server.remote, folder)
    assert names(folder) == []


def test_a_wrong_part_shows_in_the_checksum_and_is_fetched_anew(server: FileServer, folder: Path):
    """A part of another file is resumed once, found out, and gone."""
    leave_part(folder, b"x" * HALF)
    with pytest.raises(DataError, match="another checksum"):
        fetch(server.remote, folder)
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == ["bytes=300000-", None]


def test_a_server_that_sends_too_much_is_stopped(server: FileServer, folder: Path):
    """Without a word about the length: nothing beyond the size is kept."""
    server.answers = [other(CONTENT + b"x", length=False)]
    with pytest.raises(DataError, match="sends more than its 600,000 bytes"):
        fetch(server.remote, folder)
    assert names(folder) == []


@pytest.mark.parametrize("content", [CONTENT + b"x", b"<html>log in first</html>"])
def test_an_announced_length_that_is_wrong_is_refused_before_a_byte_is_read(
    server: FileServer, folder: Path, content: bytes
):
    """Also the page that a hotel's network puts in the place of everything; the old part is kept."""
    leave_part(folder, CONTENT[:HALF])
    server.answers = [other(content)]
    with pytest.raises(DataError, match=f"the server has {len(content):,} bytes under this name, not 600,000"):
        fetch(server.remote, folder)
    assert part_of(folder / "data.bin").read_bytes() == CONTENT[:HALF]


def test_a_file_without_an_announced_length_is_fetched(server: FileServer, folder: Path):
    """The end of the connection is the end of the file."""
    server.answers = [other(CONTENT, length=False)]
    assert fetch(server.remote, folder).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [404, 403, 500])
def test_a_refusal_names_the_status_and_the_other_way(server: FileServer, folder: Path, code: int):
    """404 is not a file; nothing is left."""
    server.answers = [status(code)]
    with pytest.raises(DataError, match=rf"data\.bin: the server answered {code} .*put the file from {server.url}"):
        fetch(server.remote, folder)
    assert names(folder) == []


def test_a_refused_connection_is_an_error_with_a_remedy(server: FileServer, folder: Path):
    """Nobody listens on that port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        remote = replace(server.remote, url=f"http://127.0.0.1:{free.getsockname()[1]}/data.bin")
        with pytest.raises(DataError, match=r"cannot be reached \(Connection refused\).* yourself"):
            fetch(remote, folder)
    assert names(folder) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname", "data:,x"])
def test_only_http_and_https_are_fetched(server: FileServer, folder: Path, url: str):
    """Nothing else is opened."""
    with pytest.raises(DataError, match="only http and https"):
        fetch(replace(server.remote, url=url), folder)


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1/x"])
def test_a_redirection_cannot_leave_the_web(server: FileServer, folder: Path, place: str):
    """A server cannot make us read a local file."""
    server.answers = [status(302, Location=place)]
    with pytest.raises(DataError, match=r"data\.bin: the server"):
        fetch(server.remote, folder)
    assert names(folder) == []


def test_a_redirection_is_followed(server: FileServer, folder: Path):
    """To another address of the web."""
    server.answers = [status(302, Location=f"{server.url}?again")]
    assert fetch(server.remote, folder).read_bytes() == CONTENT


def test_a_full_disk_leaves_no_half_written_file(server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The error says what is there and what to do, and with room the same call goes on."""
    put = download.write_part

    def write(file: io.FileIO, block: bytes) -> None:
        room = HALF - os.fstat(file.fileno()).st_size
        put(file, block[:room])
        if len(block) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "write_part", write)
    with pytest.raises(DataError) as caught:
        fetch(server.remote, folder)
    assert f"the disk of {folder} is full: 300,000 of the 600,000 bytes of data.bin are there" in str(caught.value)
    assert names(folder) == [".data.bin.part"]
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "*")
    assert fetch(server.remote, folder).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(server: FileServer, tmp_path: Path):
    """A file is in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write data\.bin to .*TICKETBENCH_DATA names another folder"):
        fetch(server.remote, tmp_path / "file" / "data")


def test_a_write_that_takes_less_than_it_is_given_is_continued():
    """Three bytes at a time."""

    class Narrow(io.BytesIO):
        def write(self, block: bytes) -> int:
            return super().write(bytes(block)[:3])

    file = Narrow()
    download.write_part(file, b"0123456789")
    assert file.getvalue() == b"0123456789"


TOGETHER = """
import sys
from pathlib import Path
from ticketbench import Remote
from ticketbench.datafiles.download import fetch
print(fetch(Remote("data.bin", {url!r}, {sha!r}, 600_000), Path({folder!r}), lambda done: print(done, flush=True)))
"""


def test_two_processes_that_fetch_one_file_make_one_download(server: FileServer, folder: Path):
    """The second follows the first's progress, and finds the file."""
    server.answers = [pause_at(HALF)]
    sha = hashlib.sha256(CONTENT).hexdigest()
    code = TOGETHER.format(url=server.url, sha=sha, folder=str(folder))
    with start(code) as first:
        follow(first, until="300000")
        with start(code) as second:
            follow(second, until="300000")  # only a process that waits hears of bytes that it did not fetch
            server.release.set()
            ends = [process.communicate(timeout=60)[0].splitlines()[-1] for process in (first, second)]
    assert ends == [str(folder / "data.bin")] * 2
    assert (first.returncode, second.returncode) == (0, 0)
    assert server.ranges == [None]
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert names(folder) == ["data.bin"]


def test_a_killed_process_leaves_its_part_to_the_next(server: FileServer, folder: Path):
    """A real kill in the middle: the lock is gone with the process, and the waiting one goes on."""
    server.answers = [pause_at(HALF)]
    code = TOGETHER.format(url=server.url, sha=hashlib.sha256(CONTENT).hexdigest(), folder=str(folder))
    with start(code) as first:
        follow(first, until="300000")
        with start(code) as second:
            follow(second, until="300000")
            first.kill()
            assert second.communicate(timeout=60)[0].splitlines()[-1] == str(folder / "data.bin")
    assert server.ranges == [None, "bytes=300000-"]
    assert (folder / "data.bin").read_bytes() == CONTENT


def start(code: str) -> subprocess.Popen[str]:
    """A Python process."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def follow(process: subprocess.Popen[str], until: str) -> None:
    """Read its lines up to one."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == until:
            return
    raise AssertionError(f"the process ended before it said {until}")
