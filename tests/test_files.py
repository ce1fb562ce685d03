"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ticketbench.files import put, reason_of, remove, write_bytes, written


def tree(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    """The second content takes the place of the first."""
    write_bytes(tmp_path / "a", b"one")
    write_bytes(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert tree(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_what_was_raised_while_writing_leaves_the_old_file_alone(tmp_path, error):
    """An error and an interruption: the target is as it was, and no piece of a file stays."""
    write_bytes(tmp_path / "a", b"one")

    def spoilt() -> None:
        with written(tmp_path / "a") as place:
            place.write_bytes(b"tw")
            raise error

    with pytest.raises(type(error)):
        spoilt()
    assert (tmp_path / "a").read_bytes() == b"one"
    assert tree(tmp_path) == ["a"]


def test_a_folder_gets_its_name_once_its_files_are_synced(tmp_path, monkeypatch):
    """Each file, the folder itself, then the rename, then the folder around it."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def syncs(handle: int) -> None:
        calls.append(os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), tmp_path))
        fsync(handle)

    def replaces(source: Path, target: Path) -> None:
        calls.append(f"{source.name} > {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", syncs)
    monkeypatch.setattr(os, "replace", replaces)
    (tmp_path / "half").mkdir()
    for name in ("b", "a"):
        (tmp_path / "half" / name).write_bytes(b"x")
    put(tmp_path / "half", tmp_path / "done")
    assert calls == ["half/a", "half/b", "half", "half > done", "."]
    assert tree(tmp_path) == ["done", "done/a", "done/b"]


def test_a_failed_folder_is_removed_with_its_files(tmp_path):
    """A folder that could not be completed."""

    def spoilt() -> None:
        with written(tmp_path / "done", tmp_path / "elsewhere") as place:
            place.mkdir()
            (place / "a").write_bytes(b"x")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        spoilt()
    assert tree(tmp_path) == []


def test_removing_what_is_not_there_or_a_link_touches_nothing_else(tmp_path):
    """A link to a folder is removed, what it points at is not."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    remove(tmp_path / "folder" / "a" / "below a file")
    assert tree(tmp_path) == ["folder", "folder/a"]


def test_a_reason_is_what_the_system_said_on_one_line():
    """The system's words, the first line of a library's, or at least the kind of error."""
    assert reason_of(OSError(28, "No space left on device", "/x")) == "No space left on device"
    assert reason_of(ValueError("first\nsecond")) == "first"
    assert reason_of(MemoryError()) == "MemoryError"
