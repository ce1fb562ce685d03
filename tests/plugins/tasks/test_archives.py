"""Reading members of an archive in memory."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from packing import packed

from ticketbench import DataError
from ticketbench_tasks.archives import read_members


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no file."""
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about


def test_the_wanted_members_are_read_and_nothing_is_written(tmp_path: Path):
    """Folders and other files in the archive do not matter; the folder on disk holds the archive alone."""
    path = packed(
        tmp_path / "a.tar.gz",
        special("data", tarfile.DIRTYPE),
        ("data/one", b"1"),
        ("data/readme", b"x" * 100),
        ("data/two", b"22"),
    )
    assert read_members(path, ["data/two", "data/one"], 2) == {"data/one": b"1", "data/two": b"22"}
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_missing_members_are_named(tmp_path: Path):
    """Both of them."""
    path = packed(tmp_path / "a.tar.gz", ("data/one", b"1"))
    with pytest.raises(DataError, match=r"a\.tar\.gz lacks data/three, data/two"):
        read_members(path, ["data/one", "data/two", "data/three"], 10)


@pytest.mark.parametrize("name", ["../evil", "data/../../evil", "/etc/evil", "/data/one"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str):
    """Also where the member is not one of the wanted."""
    path = packed(tmp_path / "a.tar.gz", ("data/one", b"1"), (name, b"evil"))
    with pytest.raises(DataError, match="leads out of the archive"):
        read_members(path, ["data/one"], 10)
    assert os.listdir(tmp_path) == ["a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes):
    """A wanted name that is a link to a file outside would otherwise read that."""
    path = packed(tmp_path / "a.tar.gz", special("data/one", kind, "/etc/hostname"))
    with pytest.raises(DataError, match="'data/one' is neither a file nor a folder"):
        read_members(path, ["data/one"], 10)


def test_a_member_that_is_twice_there_or_too_large_is_refused(tmp_path: Path):
    """Which of the two would be meant? And nothing is unpacked without a bound."""
    twice = packed(tmp_path / "a.tar.gz", ("data/one", b"1"), ("data/one", b"2"))
    with pytest.raises(DataError, match="twice, or larger"):
        read_members(twice, ["data/one"], 10)
    large = packed(tmp_path / "b.tar.gz", ("data/one", b"12345678901"))
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_members(large, ["data/one"], 10)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float):
    """In the header, in the first member, or in the last."""
    content = packed(tmp_path / "a.tar.gz", ("data/one", os.urandom(3000)), ("data/two", os.urandom(3000))).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"cut\.tar\.gz"):
        read_members(tmp_path / "cut.tar.gz", ["data/one", "data/two"], 3000)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    """A page of a web server, for instance."""
    (tmp_path / "a.tar.gz").write_text("<html>")
    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz archive"):
        read_members(tmp_path / "a.tar.gz", ["data/one"], 10)
