"""A board's page in a real browser, from disk and without a network: sorted, filtered, searched, and followed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from board_records import ENVIRONMENT, cell, places, row, store
from chrome import BROWSER, Browser

from ticketbench.board.build import build_boards
from ticketbench.board.suites import Suites

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed (apt-get install chromium)")
HOSTILE = "<img src=x onerror=document.title='owned'>&amp;<b>"
SWEEP = {1: 0.1, 2: 0.3, 3: 0.5}
MEAN = "mean accuracy"
CONTRASTS = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const mixed = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = (it) => (it ? [...grounds(it.parentElement), getComputedStyle(it).backgroundColor] : []);
  return [...document.querySelectorAll("main *")]
    .filter((it) => [...it.childNodes].some((part) => part.nodeType === 3 && part.data.trim()))
    .filter((it) => it.checkVisibility() && !it.closest("svg, .disabled, option"))
    .map((it) => {
      const ground = grounds(it), behind = light(mixed(ground));
      const words = light(mixed([...ground, getComputedStyle(it).color]));
      const ratio = (Math.max(words, behind) + 0.05) / (Math.min(words, behind) + 0.05);
      return [ratio, it.tagName + "." + it.className, it.textContent.trim().slice(0, 30)];
    });
})()"""
"""The contrast of every text that is seen, with the element and its words."""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A board of two submissions with hostile names, one entry incomplete, at two versions."""
    root = tmp_path_factory.mktemp("boards")
    parts = [
        row(name, density, [base, base + 0.05, base + 0.1], points=SWEEP, task=task)
        for name, base in (("snap", 0.5), ("crackle", 0.3))
        for density in (0.1, 0.2)
        for task in ("dots", "lines")
    ]
    for at, part in enumerate(parts):
        for one in part:
            one["key"] += f"-{at}"
    pop = [*row("pop", 0.1, [0.4, 0.4], task="dots"), cell("pop", 0.1, 2, None, task="dots")]
    store(places(root), *parts, pop, row("whole", 1.0, [0.8, 0.9, 0.7], task="dots", points=SWEEP))
    hostile = row(HOSTILE, 0.1, [0.2, 0.2, 0.3], task="dots", method=HOSTILE, reason=HOSTILE)
    broken = cell("bad", 0.1, 0, None, task="dots", reason=HOSTILE, status="timeout")
    old = row("snap", 0.1, [0.9, 0.9, 0.9], task="dots", suite_version=0)
    for at, one in enumerate(old):
        one["key"] = f"old-{at}"
    store(places(root, "them <i>&"), hostile, [broken], old)
    store(places(root, tier="small"), row("snap", 0.1, [0.9, 0.9], tier="small", task="dots"))
    build_boards(root, Suites())
    return root


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all of these tests."""
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def page(browser, root):
    """The page, freshly opened, wide and light; afterwards nothing was said, and only what pages share was read."""
    browser.size(1300, 1000)
    browser.open(root / "paper/smoke/index.html")
    browser.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    yield browser
    assert browser.console == []
    assert {address.rpartition("/")[0] for address in browser.requests} == {(root / "assets").as_uri()}
    assert browser.proxy.seen == []
    assert browser.run("document.title") == "paper: paper, tier smoke"


def column(page: Browser, name: str) -> list[str]:
    """The texts of a column as they stand, without the headings of places."""
    at = next(at for at, title in enumerate(page.texts("#entries thead th")) if title == name) + 1
    return page.texts(f"#entries tbody tr:not(.dtrg-group) td:nth-child({at})")


def lines(page: Browser) -> int:
    """How many entries are shown."""
    return len(page.texts("#entries tbody tr:not(.dtrg-group)"))


def fragment(page: Browser) -> dict[str, str]:
    """What the address says of the reader's choices."""
    return dict(parse_qsl(page.run("location.hash").removeprefix("#")))


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
    """By place, with a heading each; a click on the mean: the lowest first, by Enter the highest, and back again."""
    assert page.texts("#entries .dtrg-group")[0] == "dots, net · density 0.2"
    means = [float(text.split(" ")[0]) for text in column(page, MEAN)]
    assert means != sorted(means)
    heading = (
        "[...document.querySelectorAll('#entries thead th')].find((it) => it.textContent.trim() === 'mean accuracy')"
    )
    page.run(f"{heading}.querySelector('.dt-column-title').click()")
    page.wait(f"{heading}.ariaSort === 'ascending'")
    assert [float(text.split(" ")[0]) for text in column(page, MEAN)] == sorted(means)
    assert page.texts("#entries .dtrg-group") == []
    assert set(column(page, "setting")) == {"dots, net", "lines, net"}
    assert page.run(f"{heading}.querySelector('[role=button]').tabIndex") == 0
    page.run(f"{heading}.querySelector('[role=button]').focus()")
    page.press("Enter", 13, "\r")
    page.wait(f"{heading}.ariaSort === 'descending'")
    assert [float(text.split(" ")[0]) for text in column(page, MEAN)] == sorted(means, reverse=True)
    page.press("Enter", 13, "\r")
    page.wait("document.querySelectorAll('#entries .dtrg-group').length > 1")
    assert [float(text.split(" ")[0]) for text in column(page, MEAN)] == means
    assert page.run(f"document.activeElement === {heading}.querySelector('[role=button]')")


def test_filters_and_the_search_leave_what_fits(page):
    """By task, density, method and row, together, then by what is typed; with a word on how many there are."""
    assert lines(page) == 11
    page.choose("#by-task", "lines")
    assert sorted(column(page, "row")) == ["crackle", "crackle", "snap", "snap"]
    page.choose("#by-density", "0.1")
    assert sorted(column(page, "row")) == ["crackle", "snap"]
    page.choose("#by-method", "m-snap")
    assert column(page, "row") == ["snap"]
    assert page.texts("#ranked .dt-info")[0].startswith("lines 1 to 1 of 1")
    page.click("#clear")
    page.choose("#by-row", "crackle")
    page.click("#search")
    page.type("dots")
    page.wait("document.querySelector('#ranked .dt-info').textContent.startsWith('lines 1 to 2 of 2')")
    assert set(column(page, "row")) == {"crackle"}
    assert page.texts("#missing .dt-info")[0].startswith("no line")
    page.click("#clear")
    assert lines(page) == 11


def test_a_filter_without_a_choice_is_not_shown(page):
    """All entries have one model, protocol and recipe and no scorer; tasks, densities, methods and rows differ."""
    shown = page.texts("#filters label > select")
    assert len(shown) == 6
    names = page.run("[...document.querySelectorAll('#filters select')].map((it) => it.id)")
    assert names == ["by-table", "by-task", "by-density", "by-method", "by-row", "by-submission"]


def test_a_filtered_page_can_be_linked(page, root):
    """What is chosen stands in the address; the address opened anew shows the same; nonsense in it shows all."""
    page.choose("#by-task", "lines")
    page.choose("#by-method", "m-snap")
    page.click("#search")
    page.type("snap")
    page.wait("location.hash.includes('search=snap')")
    page.click("#kind-cost")
    said = fragment(page)
    assert said == {
        "table": "version 1, fp32 on cpu",
        "task": "lines",
        "method": "m-snap",
        "search": "snap",
        "kind": "cost",
    }
    rows = column(page, MEAN)
    assert len(rows) == 2
    page.open(root / "paper/smoke/index.html", f"#{urlencode(said)}")
    page.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    assert column(page, MEAN) == rows
    assert page.run("document.querySelector('#search').value") == "snap"
    page.open(root / "paper/smoke/index.html", "#task=nothing&__proto__=x&record=none@1&table=%3Cimg%3E")
    page.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    assert lines(page) == 11


def test_versions_never_stand_together(page):
    """The list of versions has no "all"; the older one has its own line alone."""
    assert page.texts("#by-table option") == ["version 1, fp32 on cpu", "version 0, fp32 on cpu"]
    page.choose("#by-table", "version 0, fp32 on cpu")
    page.wait("document.querySelectorAll('#entries tbody tr:not(.dtrg-group)').length === 1")
    assert column(page, MEAN)[0].startswith("0.9 ")


def test_charts_switch(page, root):
    """Each kind draws; the button that is pressed says so; the setting follows the filter; the files are there."""
    for kind in ("density", "sweep", "cost"):
        page.click(f"#kind-{kind}")
        page.wait(f"document.querySelector('#kind-{kind}').ariaPressed === 'true'")
        page.wait("document.querySelectorAll('#chart svg path').length > 3")
    assert "Pareto front" in page.run("document.querySelector('#caption').textContent")
    page.choose("#by-charts", "lines, net")
    assert "lines, net" in page.run("document.querySelector('#caption').textContent")
    page.choose("#by-task", "dots")
    assert "dots, net" in page.run("document.querySelector('#caption').textContent")
    addresses = page.run("[...document.querySelectorAll('#caption a')].map((it) => it.getAttribute('href'))")
    assert [address.rpartition(".")[2] for address in addresses] == ["svg"]
    assert all((root / "paper/smoke" / address).is_file() for address in addresses)


def test_lines_have_their_names_at_their_ends(page, root):
    """Beside the lines where the window is wide, none over another, a click singles one out; in a legend on a phone."""
    page.click("#kind-density")
    page.wait("[...document.querySelectorAll('#chart svg text')].some((it) => it.textContent === 'ours: snap')")
    boxes = page.run(
        "[...document.querySelectorAll('#chart svg text')].filter((it) => it.textContent.includes(': '))"
        ".map((it) => it.getBoundingClientRect()).map((box) => [box.top, box.bottom, box.right])"
    )
    assert len(boxes) >= 3
    ordered = sorted(boxes)
    assert all(above[1] <= below[0] + 3 for above, below in itertools.pairwise(ordered))
    frame = page.run("document.querySelector('#chart svg').getBoundingClientRect().right")
    assert all(box[2] <= frame for box in boxes)
    assert page.run("document.querySelectorAll('#chart svg .role-legend').length") == 0
    faint = (
        "[...document.querySelectorAll('#chart svg .mark-line path')].filter((it) => +it.getAttribute('opacity') < 1)"
    )
    assert page.run(f"{faint}.length") == 0
    spot = page.run(
        "(() => { const it = [...document.querySelectorAll('#chart svg text')].find((it) => it.textContent ==="
        "'ours: snap'); it.scrollIntoView({block: 'center'}); const box = it.getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)
    page.wait(f"{faint}.length > 0")
    page.size(400, 800)
    page.open(root / "paper/smoke/index.html", "#kind=density")
    page.run("document.querySelector('#charts').scrollIntoView()")
    page.wait("document.querySelectorAll('#chart svg .role-legend').length > 0")


def test_a_mean_leads_to_its_seeds(page):
    """Enter opens the record, seed by seed, with keys, differences and the machine; Escape and "back" close it."""
    page.choose("#by-row", "snap")
    page.run("document.querySelector('#entries tbody a').focus()")
    page.press("Enter", 13, "\r")
    page.wait("document.querySelector('#record').open")
    assert fragment(page)["record"] == "snap-0.2-0-2@0.2"
    assert page.run("document.activeElement.textContent") == "close"
    assert page.texts("#record table:first-of-type tbody tr")[0].startswith("00.5ok")
    shown = page.run("document.querySelector('#record').textContent")
    for words in ("snap-0.2-0", "machine 1", "ticketbench 0.1.0 (c0ffee)", "abacus", "fisher 2", "m-snap"):
        assert words in shown
    page.run("history.back()")
    page.wait("!document.querySelector('#record').open")
    page.click("#entries tbody a")
    page.wait("document.querySelector('#record').open")
    for kind in ("rawKeyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    page.wait("!document.querySelector('#record').open")
    assert "record" not in fragment(page)
    assert page.run("document.activeElement === document.querySelector('#entries tbody a')")


def test_incomplete_entries_stand_apart(page):
    """The seed that failed is named, and leads to its record; its row is not among the ranked."""
    assert "pop" not in column(page, "row")
    shown = page.texts("#incomplete tbody tr:not(.dtrg-group)")
    assert any("failed: seed 2seed 0: 0.4, seed 1: 0.4" in line for line in shown)
    page.click("#incomplete tbody a")
    page.wait("document.querySelector('#record').open")
    assert "not ranked" in page.run("document.querySelector('#record').textContent")


def test_no_script_of_a_record_runs(page):
    """Names with markup are text in tables, lists, filters and records, also once they were searched and sorted."""
    page.click("#search")
    page.type("onerror")
    page.wait("document.querySelectorAll('#entries tbody tr:not(.dtrg-group)').length === 1")
    assert column(page, "row") == [HOSTILE]
    page.click("#entries tbody tr a")
    page.wait("document.querySelector('#record').open")
    assert HOSTILE in page.run("document.querySelector('#record').textContent")
    assert page.run("document.querySelectorAll('img, #record b, #entries b, #entries i').length") == 0


def test_no_script_of_a_heading_runs(browser, tmp_path):
    """Names with markup where headings, filters, charts and the front page have them: a row that others are less of,
    its task, model and method, the metric, the machine."""
    root, hostile = tmp_path / "boards", dict.fromkeys(("task", "model", "method", "headline_metric"), HOSTILE)
    store(
        places(root),
        row("x", 0.1, [0.1, 0.2], **hostile),
        row("y", 0.2, [0.1, 0.2], **hostile),
        row(HOSTILE, 1.0, [0.5, 0.6], **hostile),
        environment=replace(ENVIRONMENT, processor=HOSTILE),
    )
    build_boards(root, Suites())
    browser.open(root / "paper/smoke/index.html")
    browser.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    assert any(f"less {HOSTILE}" in title for title in browser.texts("#entries thead th"))
    browser.click("#entries thead th:nth-child(4) .dt-column-title")
    browser.wait("document.querySelector('#entries thead th[aria-sort]') !== null")
    browser.run("document.querySelector('#charts').scrollIntoView()")
    browser.wait("document.querySelectorAll('#chart svg text').length > 3")
    browser.run("document.querySelector('#entries tbody a').click()")
    browser.wait("document.querySelector('#record').open")
    assert browser.run("document.querySelectorAll('main img, main b').length") == 0
    assert browser.run("document.title") == "paper: paper, tier smoke"
    browser.open(root / "index.html")
    browser.wait("document.querySelector('.dt-info') !== null")
    assert browser.run("document.querySelectorAll('img, b').length") == 0
    assert browser.run("document.title") == "Leaderboards"
    assert (browser.console, browser.proxy.seen) == ([], [])


def test_a_page_that_is_alone_says_what_it_lacks(browser, root, tmp_path):
    """Copied without the shared files: which folder it lacks, and the first lines; with them neither is there."""
    alone = tmp_path / "a" / "b" / "index.html"
    alone.parent.mkdir(parents=True)
    alone.write_bytes((root / "paper/smoke/index.html").read_bytes())
    browser.open(alone)
    shown = browser.run("document.body.innerText")
    assert "they lie in ../../assets/" in shown
    assert "dots, net\t0.2\t1" in shown
    browser.open(root / "paper/smoke/index.html")
    browser.wait("document.querySelectorAll('#entries tbody tr').length > 1")
    assert browser.run("document.querySelectorAll('.unmade').length") == 0
    browser.console.clear()
    browser.requests.clear()


def test_a_phone_in_the_dark(page, root):
    """Nothing is wider than the window, charts and records neither; words are light on dark."""
    page.size(400, 800, dark=True)
    page.open(root / "paper/smoke/index.html")
    page.run("document.querySelector('#charts').scrollIntoView()")
    page.wait("document.querySelectorAll('#chart svg text').length > 3")
    assert page.run("document.documentElement.scrollWidth") <= 400
    assert page.run("document.querySelector('#chart svg').getBoundingClientRect().width") <= 400
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    page.click("#entries tbody a")
    page.wait("document.querySelector('#record').open")
    assert page.run("document.querySelector('#record').getBoundingClientRect().width") <= 400
    page.size(1300, 1000)


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_their_ground(page, root, dark):
    """At least 4.5 to 1, as WCAG counts it, for every text of the tables, the filters, the notes and the record."""
    page.size(1300, 1000, dark=dark)
    page.open(root / "paper/smoke/index.html", "#record=snap-0.2-0-2@0.2")
    page.wait("document.querySelector('#record').open")
    found = page.run(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []


def test_every_control_has_a_name(page):
    """Lists, fields, buttons, charts and regions say what they are; what scrolls can be reached by the keyboard."""
    unnamed = (
        "[...document.querySelectorAll('select, input')].filter((it) => !it.labels.length && !it.ariaLabel).length"
    )
    assert page.run(unnamed) == 0
    assert page.run("[...document.querySelectorAll('button')].filter((it) => !it.textContent.trim()).length") == 0
    assert page.run("[...document.querySelectorAll('[role=region], [role=img]')].every((it) => it.ariaLabel)")
    assert page.run("[...document.querySelectorAll('.wide')].every((it) => it.tabIndex === 0)")
    assert page.run("document.querySelector('#ranked .dt-info').ariaLive") == "polite"
    sorters = page.run("[...document.querySelectorAll('#entries thead [role=button]')].map((it) => it.ariaLabel)")
    assert sorters[:3] == ["rank: Activate to sort", "row: Activate to sort", "submission: Activate to sort"]
    assert all("<" not in label for label in sorters)


def test_the_front_page_is_sorted_filtered_and_leads_to_the_board(browser, root):
    """Both boards; one by its tier, by its method, by what is typed; a click leads there; nothing asked of anyone."""
    browser.size(1300, 1000)
    browser.open(root / "index.html")
    browser.wait("document.querySelectorAll('#boards tbody tr').length === 2")
    browser.click("#boards thead th:nth-child(6) .dt-column-title")
    browser.wait("document.querySelector('#boards thead th:nth-child(6)').ariaSort === 'ascending'")
    assert browser.texts("#boards tbody td:nth-child(2)") == ["small", "smoke"]
    browser.choose("#by-tier", "smoke")
    assert browser.texts("#boards tbody td:nth-child(2)") == ["smoke"]
    assert fragment(browser) == {"tier": "smoke"}
    browser.click("#clear")
    browser.choose("#by-method", "m-pop")
    assert browser.texts("#boards tbody td:nth-child(2)") == ["smoke"]
    browser.click("#search")
    browser.type("nothing")
    browser.wait("document.querySelector('#boards tbody').textContent.includes('no board fits')")
    browser.click("#clear")
    browser.choose("#by-tier", "smoke")
    browser.click("#boards tbody a")
    browser.wait(
        "document.title === 'paper: paper, tier smoke' && document.querySelectorAll('#entries tbody tr').length > 1"
    )
    assert browser.console == []
    assert browser.proxy.seen == []
