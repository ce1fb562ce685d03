"""Data files on this machine: where they lie, and whether they are the right ones."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import placed, remote_of

from ticketbench import DataError, Remote, data_folder, verified_file
from ticketbench.datafiles import datafiles
from ticketbench.datafiles.datafiles import file_place, file_state, part_of

CONTENT = b"one two three"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_folder_is_the_users_else_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """$TICKETBENCH_DATA, then $XDG_CACHE_HOME, then ~/.cache; an empty or relative value does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TICKETBENCH_DATA", "~/mine")
    assert data_folder() == tmp_path / "mine"
    monkeypatch.setenv("TICKETBENCH_DATA", "")
    assert data_folder() == tmp_path / "cache" / "ticketbench"
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert data_folder() == tmp_path / ".cache" / "ticketbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == tmp_path / ".cache" / "ticketbench"


def test_the_right_file_is_given_as_a_path(folder: Path):
    """Size and checksum fit."""
    remote = placed(CONTENT, "data.bin", folder)
    assert verified_file(remote, "task") == folder / "data.bin"
    assert file_state(remote, folder) == "verified"


def test_a_missing_file_is_an_error_that_says_how_to_bring_it(folder: Path):
    """File, folder, command, and the way without a network."""
    remote = remote_of(CONTENT, "data.bin")
    with pytest.raises(DataError) as caught:
        verified_file(remote, "svhn")
    text = str(caught.value)
    assert f"task 'svhn' needs the file data.bin (13 bytes), which is not in {folder}." in text
    assert "Run `ticketbench data fetch svhn`" in text
    assert f"put the file from {remote.url} into {folder} yourself, as data.bin" in text


@pytest.mark.parametrize("content", [b"one two thref", b"one two", b""])
def test_another_file_of_that_name_is_refused(folder: Path, content: bytes):
    """Of the same size or not."""
    placed(content, "data.bin", folder)
    with pytest.raises(DataError, match=r"data\.bin is not the file that task 'svhn' needs"):
        verified_file(remote_of(CONTENT, "data.bin"), "svhn")


def test_a_file_that_changes_is_looked_at_again(folder: Path):
    """The checksum is remembered for the file as it was."""
    remote = placed(CONTENT, "data.bin", folder)
    assert file_state(remote, folder) == "verified"
    (folder / "data.bin").write_bytes(b"ONE two three")
    os.utime(folder / "data.bin", ns=(1, 1))
    assert file_state(remote, folder) == "wrong"


PACKED = gzip.compress(CONTENT, compresslevel=0, mtime=1)


def packed() -> Remote:
    """A .gz file whose content is known too."""
    content = hashlib.sha256(CONTENT).hexdigest()
    return replace(remote_of(PACKED, "data.gz"), unpacked_sha256=content, unpacked_size=len(CONTENT))


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(PACKED, id="the file itself"),
        pytest.param(gzip.compress(CONTENT, mtime=2), id="compressed otherwise"),
        pytest.param(gzip.compress(CONTENT, compresslevel=0, mtime=3), id="of the same size"),
        pytest.param(gzip.compress(CONTENT[:5]) + gzip.compress(CONTENT[5:]), id="in two pieces"),
    ],
)
def test_the_same_content_compressed_otherwise_is_the_right_file(folder: Path, file: bytes):
    """If the checksum of the content is known; else it is another file."""
    placed(file, "data.gz", folder)
    assert verified_file(packed(), "task") == folder / "data.gz"
    bare = replace(packed(), unpacked_sha256="")
    assert file_state(bare, folder) == ("verified" if file == PACKED else "wrong")


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(CONTENT, id="not compressed"),
        pytest.param(b"", id="empty"),
        pytest.param(gzip.compress(CONTENT[:-1] + b"f"), id="other content of the same size"),
        pytest.param(gzip.compress(CONTENT[:-1]), id="less"),
        pytest.param(gzip.compress(CONTENT + b"\x00"), id="more"),
        pytest.param(gzip.compress(CONTENT, mtime=2)[:-1], id="cut"),
        pytest.param(gzip.compress(CONTENT, mtime=2)[:-8] + bytes(8), id="broken checksum"),
        pytest.param(gzip.compress(CONTENT, mtime=2)[:10] + b"\xff" * 30, id="broken data"),
        pytest.param(gzip.compress(CONTENT, mtime=2) + b"more", id="something after it"),
    ],
)
def test_other_content_in_a_gz_file_is_refused(folder: Path, file: bytes):
    """As any other file is."""
    placed(file, "data.gz", folder)
    assert file_state(packed(), folder) == "wrong"
    with pytest.raises(DataError, match=r"data\.gz is not the file that task 'mnist' needs"):
        verified_file(packed(), "mnist")


def test_a_bomb_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that would grow a thousandfold is left after a few blocks, and its content is not hashed."""
    monkeypatch.setattr(datafiles, "HASHED_AT_ONCE", 1 << 12)
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    grown = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(8))
    placed(grown + squeeze.flush(), "data.gz", folder)
    asked: list[int] = []
    genuine = gzip.GzipFile.read

    def counted(file: gzip.GzipFile, size: int | None = -1) -> bytes:
        asked.append(size or -1)
        return genuine(file, size)

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    assert file_state(packed(), folder) == "wrong"
    assert asked == [1 << 12]


def test_a_part_is_told_from_nothing(folder: Path):
    """Nothing, then an unfinished file."""
    remote = remote_of(CONTENT, "data.bin")
    assert file_state(remote, folder) == "missing"
    folder.mkdir()
    part_of(folder / "data.bin").write_bytes(CONTENT[:3])
    assert file_state(remote, folder) == "partial"


def test_a_folder_in_the_place_of_a_file_is_not_the_file(folder: Path):
    """As a careless unpacking leaves it."""
    (folder / "data.bin").mkdir(parents=True)
    assert file_state(remote_of(CONTENT, "data.bin"), folder) == "wrong"


@pytest.mark.parametrize("name", ["", "..", "../data.bin", "/etc/passwd", "a/b", ".hidden"])
def test_a_name_cannot_lead_out_of_the_folder(folder: Path, name: str):
    """Plain file names only."""
    with pytest.raises(DataError, match="is not a plain file name"):
        file_place(Remote(name, "http://127.0.0.1/", "0", 1), folder)


def test_looking_for_a_file_never_uses_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """No socket is made, and the module cannot even fetch."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(DataError):
        verified_file(remote_of(CONTENT, "data.bin"), "svhn")
    code = "import sys, ticketbench.datafiles; print('urllib.request' in sys.modules, 'http.client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
