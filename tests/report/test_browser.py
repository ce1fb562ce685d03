"""The report's page in a real browser, from disk and without a network: charts, no error, no request."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from chrome import BROWSER, Proxy
from lottery_store import SUITE, lottery, record

from ticketbench.report.build import build_report, write_report
from ticketbench.results.results import gather_results
from ticketbench.suite.suite import read_suite

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed (apt-get install chromium)")

DARK = "--blink-settings=preferredColorScheme=0"
FIGURES = ["figure-1", "figure-2", "figure-3", "all", "rows"]


class Visit(NamedTuple):
    """What came of opening a page."""

    dom: str
    console: list[str]
    requests: list[str]
    """The first line of whatever left the page, as a proxy saw it."""


@pytest.fixture
def visit(tmp_path: Path):
    """Open a file headless: the document after its scripts have run, console messages and requests."""
    proxy = Proxy()

    def look(page: Path, width: int = 1200, *flags: str) -> Visit:
        done = subprocess.run(
            [
                BROWSER,
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
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--proxy-server=127.0.0.1:{proxy.socket.getsockname()[1]}",
                "--enable-logging=stderr",
                f"--window-size={width},900",
                "--virtual-time-budget=5000",
                *flags,
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return Visit(done.stdout, re.findall(r"CONSOLE.*", done.stderr), proxy.seen)

    yield look
    proxy.socket.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory, plugins) -> Path:
    """A report with every kind of chart, of three seeds."""
    folder = tmp_path_factory.mktemp("report")
    path, store = lottery(folder, plugins, lambda axes: record(axes) if axes["seed"] < 45 else None, SUITE)
    return write_report(build_report(gather_results(store, read_suite(path), "smoke", plugins)), folder / "out")[""][0]


def charts(dom: str) -> dict[str, str]:
    """The markup of each chart's place in a document, up to the caption under it."""
    found = re.findall(r'data-figure="([^"]+)"[^>]*>(.*?)<p class="soft">', dom, flags=re.DOTALL)
    return dict(found)


def widths(dom: str) -> list[float]:
    """The widths of all charts."""
    return [float(width) for width in re.findall(r'<svg[^>]*class="marks"[^>]*? width="([\d.]+)"', dom)]


def test_a_request_and_an_error_would_be_seen(visit, tmp_path):
    """A page that asks for a picture from elsewhere and throws: what the next test looks for can be found."""
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://x.example/y.png"><script>throw new Error("broken")</script>')
    seen = visit(bad)
    assert [line for line in seen.requests if "http://x.example/y.png" in line]
    assert any("broken" in line for line in seen.console)


def test_the_page_draws_its_charts_without_a_network(visit, page):
    """Wide: every chart with its lines and its names, nothing in the console, nothing asked of anyone."""
    seen = visit(page)
    assert (seen.console, seen.requests) == ([], [])
    drawn = charts(seen.dom)
    assert list(drawn) == FIGURES
    for name, markup in drawn.items():
        assert "<svg" in markup, name
        assert markup.count("<path") > 20, name
    assert all(f">imp {name} distribution=normal<" in drawn["figure-3"] for name in ("glorot", "he"))
    assert all(f">{layer}.weight<" in drawn["figure-1"] for layer in (1, 3, 5))
    assert len(widths(seen.dom)) == len(FIGURES)


def test_the_page_fits_a_narrow_dark_window(visit, page):
    """No chart is wider than the window, and its words are light on dark."""
    seen = visit(page, 500, DARK)
    assert (seen.console, seen.requests) == ([], [])
    assert len(widths(seen.dom)) == len(FIGURES)
    assert max(widths(seen.dom)) <= 500
    assert all('fill="#c9d1d9"' in markup for markup in charts(seen.dom).values())
    assert 'fill="#000"' not in "".join(re.findall(r"<text[^>]*>", seen.dom))
