"""Lines of text: blocks, and files that are broken in every way."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ticketbench import DataError
from ticketbench_tasks import lines
from ticketbench_tasks.lines import lines_of, tar_members, text_file, zip_member

NOISE = "".join(f"{number}\n" for number in np.random.default_rng(0).integers(0, 10**9, 4000)).encode()
"""Text that hardly shrinks: 40 kB."""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_blocks_are_whole_lines_wherever_the_bytes_are_cut(size: int):
    """Also within a letter of two bytes; the last line gets its end, and empty lines stay."""
    content = "één ö\n\n b \nlast".encode()
    blocks = list(lines_of("a test", (content[at : at + size] for at in range(0, len(content), size))))
    assert all(block.endswith("\n") for block in blocks)
    assert "".join(blocks) == "één ö\n\n b \nlast\n"
    assert list(lines_of("a test", [])) == []
    assert list(lines_of("a test", [b"a\n"])) == ["a\n"]


def test_another_encoding_is_refused():
    """With the byte and its place in the file, also behind the first block."""
    with pytest.raises(DataError, match=r"^x\.txt is not UTF-8 text: byte 7 is 0xe9\. Save it as UTF-8"):
        list(lines_of("x.txt", [b"abc\n", b"caf\xe9\n"]))
    with pytest.raises(DataError, match="byte 0 is 0xff"):
        list(lines_of("x.txt", ["a b\n".encode("utf-16")]))


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    """It is given up after so many bytes."""
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    read = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b"abcd"

    with pytest.raises(DataError, match="a line of more than 10 bytes at byte 2"):
        list(lines_of("x.txt", (chunk for part in ([b"a\n"], endless()) for chunk in part)))
    assert len(read) == 3


def test_plain_and_packed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same bytes, some at a time."""
    monkeypatch.setattr(lines, "CHUNK", 1000)
    (tmp_path / "a.txt").write_bytes(NOISE)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(NOISE))
    for name in ("a.txt", "a.txt.gz"):
        chunks = list(text_file(tmp_path / name))
        assert b"".join(chunks) == NOISE
        assert max(map(len, chunks)) <= 1000


def packed_gz(path: Path) -> None:
    path.write_bytes(gzip.compress(NOISE))


def packed_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/a.txt", NOISE)
        archive.writestr("b.txt", b"b\n")


def packed_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("top/a-1", NOISE), ("top/other", b"no\n"), ("top/a-2", b"without an end")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


READ: dict[str, tuple[Callable[[Path], None], Callable[[Path], Iterator[bytes]]]] = {
    "gz": (packed_gz, text_file),
    "zip": (packed_zip, lambda path: zip_member(path, "folder/a.txt")),
    "tar.gz": (packed_tar, lambda path: tar_members(path, r"top/a-\d", 2)),
}


def test_members_of_archives(tmp_path: Path):
    """One of a zip file; all of a tar file that have such a name, each ending a line."""
    for end, (pack, _) in READ.items():
        pack(tmp_path / f"x.{end}")
    assert b"".join(READ["zip"][1](tmp_path / "x.zip")) == NOISE
    assert b"".join(READ["tar.gz"][1](tmp_path / "x.tar.gz")) == NOISE + b"without an end\n"


@pytest.mark.parametrize("end", READ)
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_cut_files_are_refused(tmp_path: Path, end: str, keep: float):
    """Nothing, half, or all but the end of a file: an error names it, wherever it was cut."""
    pack, read = READ[end]
    path = tmp_path / f"x.{end}"
    pack(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    if end == "gz" and not keep:
        assert list(read(path)) == []  # an empty file is an empty text
        return
    with pytest.raises(DataError, match=rf"x\.{end} (cannot be read as|has 0 of the 2)"):
        list(read(path))


@pytest.mark.parametrize("end", READ)
def test_other_content_and_damage_are_refused(tmp_path: Path, end: str):
    """A page of an error message; a byte changed in the middle; no file at all."""
    pack, read = READ[end]
    path = tmp_path / f"x.{end}"
    with pytest.raises(DataError, match=rf"x\.{end} cannot be read as a \.\w+"):
        list(read(path))
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=rf"x\.{end} cannot be read as a \.\w+"):
        list(read(path))
    pack(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.{end} (cannot be read as a \.\w+|has 1 of the 2)"):
        list(read(path))


def test_archives_that_lack_something(tmp_path: Path):
    """A member of a zip file; a shard of a tar file."""
    packed_zip(tmp_path / "x.zip")
    with pytest.raises(DataError, match=r"x\.zip lacks folder/c\.txt"):
        list(zip_member(tmp_path / "x.zip", "folder/c.txt"))
    packed_tar(tmp_path / "x.tar.gz")
    with pytest.raises(DataError, match=r"x\.tar\.gz has 2 of the 3 members top/a-"):
        list(tar_members(tmp_path / "x.tar.gz", r"top/a-\d", 3))


def test_a_tar_member_twice_or_outside_is_refused(tmp_path: Path):
    """Before its content is read."""
    for name, says in (("top/a-1", "'top/a-1' twice"), ("../a-2", "leads out of the archive")):
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
            for each in ("top/a-1", name):
                member = tarfile.TarInfo(each)
                member.size = 2
                archive.addfile(member, io.BytesIO(b"a\n"))
        with pytest.raises(DataError, match=says):
            list(tar_members(tmp_path / "x.tar.gz", r"top/a-\d", 2))


def test_a_tar_archive_is_not_read_behind_its_last_member(tmp_path: Path):
    """What would be refused there does not matter."""
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for name in ("top/a-1", "../outside"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"a\n"))
    assert b"".join(tar_members(tmp_path / "x.tar.gz", r"top/a-1", 1)) == b"a\n"
