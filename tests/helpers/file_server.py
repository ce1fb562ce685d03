"""A web server for one file on this machine, which can be told to misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ticketbench import Remote


class Handler(BaseHTTPRequestHandler):
    """Gives each request to the server's next answer."""

    server: FileServer

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        answer = self.server.answers.pop(0) if self.server.answers else honest
        self.close_connection = True
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    @property
    def first(self) -> int:
        """The first byte asked for."""
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def begin(self, status: int, length: int | None = None, **headers: str) -> None:
        """Status line and headers."""
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


Answer = Callable[[Handler], None]


class FileServer(ThreadingHTTPServer):
    """Serves its content under every path; `answers` are used up first, `ranges` are the Range headers that came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.answers: list[Answer] = []
        self.ranges: list[str | None] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        """Where the file is."""
        return f"http://127.0.0.1:{self.server_port}/data.bin"

    @property
    def remote(self) -> Remote:
        """The file as a task would name it."""
        return remote_of(self.content, "data.bin", self.url)


def remote_of(content: bytes, name: str, url: str = "http://127.0.0.1:9/nowhere") -> Remote:
    """A remote file with this content."""
    return Remote(name, url, hashlib.sha256(content).hexdigest(), len(content))


def placed(content: bytes, name: str, folder: Path) -> Remote:
    """A file in a data folder, and how a task would name it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return remote_of(content, name)


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """A server in a thread, for as long as the block lasts."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()


# -- answers ---------------------------------------------------------------------------------------------------


def honest(handler: Handler) -> None:
    """What was asked for, a part if a part was asked for."""
    partial(handler, handler.first)


def partial(handler: Handler, first: int) -> None:
    """From a byte on, and truthfully so, whatever was asked for."""
    content = handler.server.content
    headers = {"Content_Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
    handler.begin(206 if first else 200, len(content) - first, **headers)
    handler.wfile.write(content[first:])


def from_byte(first: int) -> Answer:
    """Another part than was asked for."""
    return lambda handler: partial(handler, first)


def whole(handler: Handler) -> None:
    """Everything, whatever was asked for."""
    partial(handler, 0)


def cut_at(byte: int) -> Answer:
    """The promise of everything, and the connection closed at a byte."""

    def answer(handler: Handler) -> None:
        content, first = handler.server.content, handler.first
        handler.begin(206 if first else 200, len(content) - first, Content_Range=f"bytes {first}-/{len(content)}")
        handler.wfile.write(content[first:byte])

    return answer


def pause_at(byte: int) -> Answer:
    """Everything, but at a byte it waits for `release`."""

    def answer(handler: Handler) -> None:
        handler.begin(200, len(handler.server.content))
        handler.wfile.write(handler.server.content[:byte])
        handler.wfile.flush()
        handler.server.release.wait(60)
        handler.wfile.write(handler.server.content[byte:])

    return answer


def other(content: bytes, length: bool = True) -> Answer:
    """Another file, with or without a word about its length."""

    def answer(handler: Handler) -> None:
        handler.begin(200, len(content) if length else None)
        handler.wfile.write(content)

    return answer


def status(code: int, **headers: str) -> Answer:
    """No file at all."""
    return lambda handler: handler.begin(code, 0, **headers)
