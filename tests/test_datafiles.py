"""Data files on this machine: where they lie, and whether they are the right ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from file_server import placed, remote_of

from ticketbench import DataError, Remote, data_folder, verified_file
from ticketbench.datafiles import part_of, place_of, state_of

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
    assert state_of(remote, folder) == "verified"


def test_a_missing_file_is_an_error_that_says_how_to_bring_it(folder: Path):
    """File, folder, command, and the way without a network."""
    remote = remote_of(CONTENT, "data.bin")
    with pytest.raises(DataError) as caught:
        verified_file(remote, "svhn")
    text = str(caught.value)
    assert f"task 'svhn' needs the file data.bin (13 bytes), which is not in {folder}." in text
    assert "Run `ticketbench data fetch svhn`" in text
    assert f"put the file from {remote.url} into {folder} yourself" in text


@pytest.mark.parametrize("content", [b"one two thref", b"one two", b""])
def test_another_file_of_that_name_is_refused(folder: Path, content: bytes):
    """Of the same size or not."""
    placed(content, "data.bin", folder)
    with pytest.raises(DataError, match=r"data\.bin is not the file that task 'svhn' needs"):
        verified_file(remote_of(CONTENT, "data.bin"), "svhn")


def test_a_file_that_changes_is_looked_at_again(folder: Path):
    """The checksum is remembered for the file as it was."""
    remote = placed(CONTENT, "data.bin", folder)
    assert state_of(remote, folder) == "verified"
    (folder / "data.bin").write_bytes(b"ONE two three")
    os.utime(folder / "data.bin", ns=(1, 1))
    assert state_of(remote, folder) == "wrong"


def test_a_part_is_told_from_nothing(folder: Path):
    """Nothing, then an unfinished file."""
    remote = remote_of(CONTENT, "data.bin")
    assert state_of(remote, folder) == "missing"
    folder.mkdir()
    part_of(folder / "data.bin").write_bytes(CONTENT[:3])
    assert state_of(remote, folder) == "partial"


def test_a_folder_in_the_place_of_a_file_is_not_the_file(folder: Path):
    """As a careless unpacking leaves it."""
    (folder / "data.bin").mkdir(parents=True)
    assert state_of(remote_of(CONTENT, "data.bin"), folder) == "wrong"


@pytest.mark.parametrize("name", ["", "..", "../data.bin", "/etc/passwd", "a/b", ".hidden"])
def test_a_name_cannot_lead_out_of_the_folder(folder: Path, name: str):
    """Plain file names only."""
    with pytest.raises(DataError, match="is not a plain file name"):
        place_of(Remote(name, "http://127.0.0.1/", "0", 1), folder)


def test_looking_for_a_file_never_uses_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """No socket is made, and the module cannot even fetch."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(DataError):
        verified_file(remote_of(CONTENT, "data.bin"), "svhn")
    code = "import sys, ticketbench.datafiles; print('urllib.request' in sys.modules, 'http.client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
