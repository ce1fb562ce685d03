"""A real headless browser for the tests of pages: opens a file, clicks, types, and says what it asked of the network.

It speaks the browser's own protocol over two pipes, so that nothing but the browser is needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import select
import socket
import subprocess
import threading
import time
from pathlib import Path
from shutil import which
from typing import Any

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := which(name))), None)
OWN = re.compile(r"^\w+ (https?://)?[\w.-]*\.(google|googleapis|gvt1)\.com[:/]")
"""What the browser asks for itself, whatever page is open: the time, updates, accounts."""
PATIENCE = 20.0


class Proxy:
    """The only way out for the browser: notes the first line of each request and lets nothing through."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def seen(self) -> list[str]:
        """What left a page."""
        return [line for line in self.lines if not OWN.match(line)]

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    self.lines.append(client.recv(4096).partition(b"\r\n")[0].decode(errors="replace"))
                except OSError:
                    continue


class Browser:
    """A headless browser with one tab."""

    def __init__(self, profile: Path, *flags: str) -> None:
        self.proxy = Proxy()
        self.console: list[str] = []
        self.requests: list[str] = []
        """Addresses that the page asked for, other than files that it was told to open."""
        ours, theirs = os.pipe(), os.pipe()
        words = [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-domain-reliability",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--proxy-server=127.0.0.1:{self.proxy.socket.getsockname()[1]}",
            "--remote-debugging-pipe",
            *flags,
            "about:blank",
        ]
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0], theirs[1]))

        def plumb() -> None:  # the protocol wants to read from file 3 and to write to file 4
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(words, close_fds=False, preexec_fn=plumb, stderr=subprocess.DEVNULL)
        for end in (read, write, ours[0], theirs[1]):
            os.close(end)
        self.to, self.of = ours[1], theirs[0]
        self.rest, self.count, self.session = b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **facts: Any) -> dict[str, Any]:
        """One call of the protocol and its answer."""
        self.count += 1
        number = self.count
        message = {"id": number, "method": method, "params": facts}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while (said := self._message(until)).get("id") != number:
            self._note(said)
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.of], [], [], max(0.0, until - time.monotonic()))[0], "the browser says nothing"
            self.rest += os.read(self.of, 1 << 20)
        first, _, self.rest = self.rest.partition(b"\0")
        return json.loads(first)

    def _note(self, said: dict[str, Any]) -> None:
        facts = said.get("params", {})
        if said.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.console.append(json.dumps(facts)[:5000])
        if said.get("method") == "Network.requestWillBeSent":
            address = facts["request"]["url"]
            if not address.startswith(("data:", "blob:", "about:")):
                self.requests.append(address)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """The window, and the ground that the reader prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a file and wait until its scripts have run."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.absolute().as_uri() + fragment)
        self.wait(f"location.pathname.endsWith({json.dumps(page.name)}) && document.readyState === 'complete'")
        self.requests = [address for address in self.requests if not address.startswith(page.absolute().as_uri())]

    def run(self, code: str) -> Any:
        """The value of some JavaScript."""
        said = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def wait(self, code: str) -> None:
        """Wait until some JavaScript is true."""
        until = time.monotonic() + PATIENCE
        while not self.run(code):
            assert time.monotonic() < until, f"never: {code}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of an element."""
        spot = self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            "it.scrollIntoView({block: 'center'}); const box = it.getClientRects()[0];"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type text where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str) -> None:
        """Press a key that gives a character."""
        for kind, said in (("keyDown", {"text": text}), ("keyUp", {})):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **said)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list, as a reader does."""
        self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.value = {json.dumps(value)};"
            "it.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def texts(self, selector: str) -> list[str]:
        """The text of all elements."""
        found: list[str] = self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((part) => part.textContent.trim())"
        )
        return found

    def picture(self, path: Path) -> None:
        """What the window shows."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End the browser."""
        self.process.terminate()
        self.process.wait(30)
        os.close(self.to)
        os.close(self.of)
        self.proxy.socket.close()
