"""A board's page in a real browser, from disk and without a network: sorted, filtered, searched, and followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_records import cell, places, row, store
from chrome import BROWSER, Browser

from ticketbench.board.build import build
from ticketbench.board.suites import Suites

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed (apt-get install chromium)")
HOSTILE = "<img src=x onerror=document.title='owned'>&amp;<b>"
SWEEP = {1: 0.1, 2: 0.3, 3: 0.5}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A board of two submissions with hostile names, one entry incomplete, at two versions."""
    root = tmp_path_factory.mktemp("boards")
    parts = [row(name, density, [base, base + 0.05, base + 0.1], points=SWEEP, task=task)
             for name, base in (("snap", 0.5), ("crackle", 0.3)) for density in (0.1, 0.2)
             for task in ("dots", "lines")]  # fmt: skip
    for at, part in enumerate(parts):
        for one in part:
            one["key"] += f"-{at}"
    pop = [*row("pop", 0.1, [0.4, 0.4], task="dots"), cell("pop", 0.1, 2, None, status="diverged", task="dots")]
    store(places(root), *parts, pop, row("whole", 1.0, [0.8, 0.9, 0.7], task="dots", points=SWEEP))
    hostile = row(HOSTILE, 0.1, [0.2, 0.2, 0.3], task="dots", method=HOSTILE, reason=HOSTILE)
    broken = cell("bad", 0.1, 0, None, task="dots", reason=HOSTILE, status="timeout")
    old = row("snap", 0.1, [0.9, 0.9, 0.9], task="dots", suite_version=0)
    for at, one in enumerate(old):
        one["key"] = f"old-{at}"
    store(places(root, "them <i>&"), hostile, [broken], old)
    build(root, Suites())
    return root


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all of these tests."""
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def page(browser, root):
    """The page, freshly opened, wide and light; afterwards nothing was said and nothing was asked of anyone."""
    browser.size(1300, 1000)
    browser.open(root / "paper/smoke/index.html")
    browser.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    yield browser
    assert browser.console == []
    assert browser.requests == []
    assert browser.proxy.seen == []
    assert browser.run("document.title") == "paper: paper, tier smoke"


def column(page: Browser, name: str) -> list[str]:
    """The texts of a column as they stand."""
    at = next(at for at, title in enumerate(page.texts("#entries thead th")) if title == name) + 1
    return page.texts(f"#entries tbody td:nth-child({at})")


def test_a_request_and_an_error_would_be_seen(browser, tmp_path):
    """A page that asks for a picture from elsewhere and throws: what the other tests look for can be found."""
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://x.example/y.png"><script>throw new Error("broken")</script>')
    browser.open(bad)
    browser.wait("true")
    assert "http://x.example/y.png" in browser.requests
    assert any("broken" in said for said in browser.console)
    assert any("x.example" in line for line in browser.proxy.seen)
    browser.console.clear()
    browser.requests.clear()
    browser.proxy.lines.clear()


def test_columns_sort_as_numbers_and_by_keyboard(page):
    """A click on the mean: the lowest first; Enter on the heading: the highest first."""
    means = [float(text.split(" ")[0]) for text in column(page, "mean")]
    assert means != sorted(means)
    page.click("#entries thead th:nth-child(4) .dt-column-title")
    page.wait("document.querySelector('#entries thead th:nth-child(4)').ariaSort === 'ascending'")
    assert [float(text.split(" ")[0]) for text in column(page, "mean")] == sorted(means)
    page.run("document.querySelector('#entries thead th:nth-child(4) .dt-column-order').focus()")
    page.press("Enter", 13, "\r")
    page.wait("document.querySelector('#entries thead th:nth-child(4)').ariaSort === 'descending'")
    assert [float(text.split(" ")[0]) for text in column(page, "mean")] == sorted(means, reverse=True)


def test_filters_and_the_search_leave_what_fits(page):
    """By task, by density and by row, together; then by what is typed; with a word on how many there are."""
    assert len(column(page, "row")) == 11
    page.choose("#by-setting", "lines, net")
    assert sorted(column(page, "row")) == ["crackle", "crackle", "snap", "snap"]
    page.choose("#by-density", "0.1")
    assert sorted(column(page, "row")) == ["crackle", "snap"]
    page.choose("#by-row", "snap")
    assert column(page, "row") == ["snap"]
    assert page.texts("#entries_wrapper .dt-info, .dt-info")[0].startswith("lines 1 to 1 of 1")
    for name in ("setting", "density", "row"):
        page.choose(f"#by-{name}", "")
    page.click(".dt-search input")
    page.type("crackle dots")
    page.wait("document.querySelectorAll('#entries tbody tr').length === 2")
    assert set(column(page, "row")) == {"crackle"}


def test_versions_never_stand_together(page):
    """The list of versions has no "all"; the older one has its own line alone."""
    assert page.texts("#by-table option") == ["version 1, fp32 on cpu", "version 0, fp32 on cpu"]
    page.choose("#by-table", "1")
    page.wait("document.querySelectorAll('#entries tbody tr').length === 1")
    assert column(page, "mean")[0].startswith("0.9 ")


def test_charts_switch(page):
    """Each kind draws; the button that is pressed says so; the setting follows the filter."""
    for kind in ("density", "sweep", "cost", "ranks"):
        page.click(f"#kind-{kind}")
        page.wait(f"document.querySelector('#kind-{kind}').ariaPressed === 'true'")
        page.wait("document.querySelectorAll('#chart svg path').length > 3")
    assert "Ranges of ranks" in page.run("document.querySelector('#caption').textContent")
    page.choose("#by-setting", "lines, net")
    assert page.run("document.querySelector('#by-chart').value") == "lines, net"


def test_a_mean_leads_to_its_seeds(page):
    """A click opens the record: seed by seed, with keys, differences and the machine; the back button closes it."""
    page.choose("#by-row", "snap")
    page.click("#entries tbody tr a")
    page.wait("!document.querySelector('#record').hidden")
    assert page.run("document.activeElement.id") == "record"
    seeds = page.texts("#record table:first-of-type tbody tr")
    assert seeds[0].startswith("00.5ok") or seeds[0].startswith("0")
    shown = page.run("document.querySelector('#record').textContent")
    for words in ("snap-0.2-0", "machine 1", "ticketbench 0.1.0 (c0ffee)", "abacus", "fisher 2", "m-snap"):
        assert words in shown
    page.run("history.back()")
    page.wait("document.querySelector('#record').hidden")


def test_incomplete_entries_stand_apart(page):
    """The seed that diverged is named, and leads to its record; its row is not among the ranked."""
    assert "pop" not in column(page, "row")
    assert page.texts("#incomplete tbody tr td:nth-child(3)")[0].startswith(("diverged: seed 2", "timeout: seed 0"))
    page.click("#incomplete tbody tr a")
    page.wait("!document.querySelector('#record').hidden")
    assert "not ranked" in page.run("document.querySelector('#record').textContent")


def test_no_script_of_a_record_runs(page):
    """Names with markup are text in tables, lists, filters and records, also once they were searched and sorted."""
    page.click(".dt-search input")
    page.type("onerror")
    page.wait("document.querySelectorAll('#entries tbody tr').length === 1")
    assert column(page, "row") == [HOSTILE]
    page.click("#entries tbody tr a")
    page.wait("!document.querySelector('#record').hidden")
    assert HOSTILE in page.run("document.querySelector('#record').textContent")
    assert page.run("document.querySelectorAll('img, #record b, #entries b, #entries i').length") == 0


def test_a_phone_in_the_dark(page, root):
    """Nothing is wider than the window, words are light on dark, every list and field has a name."""
    page.size(400, 800, dark=True)
    page.open(root / "paper/smoke/index.html")
    page.wait("document.querySelectorAll('#chart svg text').length > 3")
    assert page.run("document.documentElement.scrollWidth") <= 400
    assert page.run("document.querySelector('#chart svg').getBoundingClientRect().width") <= 400
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert page.run("getComputedStyle(document.querySelector('#entries td')).color") != "rgb(0, 0, 0)"
    unnamed = (
        "[...document.querySelectorAll('select, input')].filter((it) => !it.labels.length && !it.ariaLabel).length"
    )
    assert page.run(unnamed) == 0


def test_the_front_page_leads_to_the_board(browser, root):
    """From all boards to one; nothing asked of anyone."""
    browser.open(root / "index.html")
    browser.click("tbody a")
    browser.wait(
        "document.title === 'paper: paper, tier smoke' && document.querySelectorAll('#entries tbody tr').length > 1"
    )
    assert browser.console == []
    assert browser.proxy.seen == []
