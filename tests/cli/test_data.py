"""`ticketbench data`, as a real process."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import command
from file_server import FileServer, cut_at, pause_at, serving, status

CONTENT = random.Random(1).randbytes(600_000)

PLUGIN = """
from dataclasses import dataclass
from ticketbench import Remote, Task, hookimpl

class Nothing(Task):
    summary = "for a test"
    shapes = sizes = training = test = loss = metrics = None

@dataclass(frozen=True)
class Distant(Nothing):
    name = "distant"

    def files(self):
        return [Remote("data.bin", {url!r}, {sha!r}, {size})]

@dataclass(frozen=True)
class Broken(Nothing):
    name = "broken"

    def files(self):
        raise RuntimeError("no idea")

@hookimpl
def ticketbench_tasks():
    return [Distant(), Broken()]
"""


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server of CONTENT."""
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def plugin(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin whose task reads the server's file; the data folder is empty."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    remote = server.remote
    path = tmp_path / "distant.py"
    path.write_text(PLUGIN.format(url=remote.url, sha=remote.sha256, size=remote.size), encoding="utf-8")
    return path


def listed(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    """The JSON listing by file name."""
    assert result.returncode == 0, result.stderr
    return {row["file"]: row for row in json.loads(result.stdout)["files"]}


def test_fetching_changes_the_listing_from_missing_to_verified(ticketbench, plugin: Path, server: FileServer):
    """List, fetch, list: in JSON and for people; in a pipe the progress is plain lines with rate and time left."""
    before = ticketbench("data", "list", "--json", "--plugin", plugin)
    row = listed(before)["data.bin"]
    assert (row["task"], row["state"], row["present"], row["verified"]) == ("distant", "missing", False, False)
    assert (row["size"], row["url"]) == (600_000, server.url)
    assert "warning: task 'broken' cannot list its files: no idea" in before.stderr

    fetched = ticketbench("data", "fetch", "distant", "prefix_sums", "--plugin", plugin)
    assert fetched.returncode == 0, fetched.stderr
    path = plugin.parent / "data" / "data.bin"
    assert fetched.stdout == f"distant: {path} verified\nprefix_sums: nothing to fetch\n"
    lines = fetched.stderr.splitlines()
    assert lines[0] == f"data.bin: 600 kB from {server.url}"
    assert lines[-1].startswith("data.bin: 600 kB, 100 %, ")
    assert lines[-1].endswith("B/s, about 0.0 s left")
    assert "\x1b" not in fetched.stderr
    assert path.read_bytes() == CONTENT

    after = ticketbench("data", "list", "--plugin", plugin)
    assert after.stdout.splitlines()[0] == f"data folder: {path.parent}"
    (line,) = [line for line in after.stdout.splitlines() if "data.bin" in line]
    assert line.split() == ["distant", "data.bin", "verified", "600", "kB", server.url]
    assert server.ranges == [None]


def test_the_files_of_the_built_in_tasks_are_listed(ticketbench, plugin: Path):
    """CIFAR-10's archive and the two of SVHN, with their official sizes."""
    rows = listed(ticketbench("data", "list", "--json"))
    found = {(row["task"], name, row["size"]) for name, row in rows.items()}
    assert found >= {
        ("cifar10", "cifar-10-binary.tar.gz", 170_052_171),
        ("svhn", "train_32x32.mat", 182_040_794),
        ("svhn", "test_32x32.mat", 64_275_384),
    }


def test_a_failed_fetch_is_one_message_and_the_same_command_goes_on(ticketbench, plugin: Path, server: FileServer):
    """Exit status 2, no traceback; then 0."""
    server.answers = [cut_at(200_000)]
    cut = ticketbench("data", "fetch", "distant", "--plugin", plugin)
    assert cut.returncode == 2
    assert "200,000 of 600,000 bytes are there. The same command goes on from there." in cut.stderr.splitlines()[-1]
    assert "Traceback" not in cut.stderr
    again = ticketbench("data", "fetch", "distant", "--plugin", plugin)
    assert again.returncode == 0
    assert again.stderr.splitlines()[0] == f"data.bin: 600 kB from {server.url}, 200 kB of it are there"
    assert server.ranges == [None, "bytes=200000-"]


def test_a_file_that_is_not_there_any_more_exits_with_2(ticketbench, plugin: Path, server: FileServer):
    """404, with the way without the server."""
    server.answers = [status(404)]
    result = ticketbench("data", "fetch", "distant", "--plugin", plugin)
    assert result.returncode == 2
    assert "the server answered 404" in result.stderr
    assert f"into {plugin.parent / 'data'} yourself" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("data", "fetch", "cifar"), "unknown task 'cifar'. Did you mean 'cifar10'?"),
        (("data", "fetch"), "Missing argument 'TASK...'"),
    ],
)
def test_a_wrong_name_exits_with_2(ticketbench, words: tuple[str, ...], says: str):
    """Nothing is fetched."""
    result = ticketbench(*words)
    assert result.returncode == 2
    assert says in result.stderr


def test_an_interruption_keeps_what_came(plugin: Path, server: FileServer):
    """Ctrl-C in the middle: exit status 130, a line instead of a traceback, and the part is there."""
    server.answers = [pause_at(300_000)]
    words = command("data", "fetch", "distant", "--plugin", plugin)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "300 kB, 50 %" in line:
                break
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest == "ticketbench: interrupted; the same command goes on from there\n"
    assert (plugin.parent / "data" / ".data.bin.part").stat().st_size == 300_000


def test_a_terminal_sees_a_bar(plugin: Path, server: FileServer):
    """Name, bytes and rate on a real pseudo-terminal."""
    ours, theirs = pty.openpty()
    words = command("data", "fetch", "distant", "--plugin", plugin)
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, text=True, env=env) as process:
        os.close(theirs)
        seen = b""
        while block := read_terminal(ours):
            seen += block
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert out == f"distant: {plugin.parent / 'data' / 'data.bin'} verified\n"
    text = seen.decode()
    assert "data.bin" in text
    assert "600.0/600.0 kB" in text
    assert "/s" in text


def read_terminal(handle: int) -> bytes:
    """What a terminal shows next; nothing when its last writer is gone."""
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""
