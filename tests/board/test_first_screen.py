"""First screens: who wins, by how much, how sure and at what cost are seen without scrolling, in a real browser."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from board_records import places, row, store
from chrome import BROWSER, Browser
from places import LEADERBOARDS

from ticketbench.board.build import build_boards, read_board
from ticketbench.board.suites import Suites

HOSTILE = "<img src=x onerror=document.title='owned'>&amp;<b>"
WIDE, PHONE = (1280, 800), (390, 844)
SEEN = """(() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()];
    const inside = boxes.length && boxes.every((box) => box.width > 1 && box.left >= 0 && box.top >= 0
      && box.right <= innerWidth + 1 && box.bottom <= innerHeight);
    const clipped = (it) => it && (getComputedStyle(it).clipPath !== "none" || clipped(it.parentElement));
    if (inside && node.parentElement.checkVisibility() && !clipped(node.parentElement)) found.push(node.data);
  }
  return found.join(" ").replace(/\\s+/g, " ");
})()"""
"""The words that are seen whole, without scrolling."""


def paired(shift: float, spread: float = 0.004) -> list[float]:
    """Values of eight seeds that lie so far above those of the row that is never pruned."""
    return [0.6 + 0.01 * seed + shift + spread * (-1) ** seed for seed in range(8)]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A board of records without a suite, and a real one with questions and claims."""
    root = tmp_path_factory.mktemp("boards")
    work = {"draw_flops": 1e9, "train_flops": 3e9, "tier": "small"}
    parts = [
        row(name, density, paired(shift), **work, draw_seconds=4.0, train_seconds=12.0)
        for name, shift in (("winner", 0.1), ("loser", -0.2), (HOSTILE, -0.3))
        for density in (0.1, 0.2)
    ]
    parts[0][7] |= {"status": "diverged", "headline": None}
    dense = row("whole", 1.0, paired(0.0, 0.0), **{**work, "draw_flops": 0.0, "train_flops": 2e9, "draw_seconds": 0.0})
    store(places(root, tier="small"), *parts, dense)
    store(places(root), *[[{**one, "tier": "smoke"} for one in part] for part in [*parts, dense]])
    real = root / "gradflow/small/submissions"
    shutil.copytree(LEADERBOARDS / "gradflow/small/submissions", real)
    return root


@pytest.fixture(scope="module")
def boards(root, plugins) -> Path:
    """The pages of both."""
    build_boards(root, Suites(plugins))
    return root


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all of these tests."""
    if BROWSER is None:
        pytest.skip("no chromium is installed (apt-get install chromium)")
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


def seen_on(browser: Browser, page: Path, size: tuple[int, int], dark: bool = False) -> str:
    """What is seen of a page at once; nothing is wider than the window, nothing went wrong, nothing was asked for.

    The browser opens connections of its own that ask for nothing.
    """
    browser.size(*size, dark=dark)
    browser.open(page)
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    assert browser.console == []
    assert [line for line in browser.proxy.seen if line] == []
    assert browser.run("document.querySelectorAll('main img, main i').length") == 0
    return browser.run(SEEN)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_board_of_records_tells_it_at_once(browser, boards, size):
    """The answer, the winner, the difference with its interval, the mark's word, the seeds and the cost."""
    shown = seen_on(browser, boards / "paper/small/index.html", size)
    for words in (
        "At 20 % of the weights winner is better than whole by 0.1 accuracy",
        "winner",
        "▲ better",
        "+0.1 accuracy [+0.09643, +0.1036]",
        "8 seeds",
        "2 × the work of whole; draw 4.0 s, train 12 s (whole 3.0 s)",
        "exploratory",
    ):
        assert words in shown
    assert "1 diverged" in browser.texts("#entries .trouble")
    headings = browser.run("[...document.querySelectorAll('main h1, main h2, main h3')].map((it) => +it.tagName[1])")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert browser.run("[...document.querySelectorAll('main table')].every((it) => it.caption)")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_real_board_and_the_front_page_tell_it_at_once(browser, boards, plugins, size):
    """What the questions' judgement says, in words, on both pages."""
    folder = boards / "gradflow/small"
    first = read_board(folder, boards, Suites(plugins)).seen.first
    shown = seen_on(browser, folder / "index.html", size, dark=True)
    best = first.rows[0]
    for words in (first.answer, first.winner, f"{best.sign} {best.word}", best.difference, best.sure, best.cost):
        assert words in shown
    front = seen_on(browser, boards / "index.html", size)
    for words in ("gradflow", first.winner, first.beaten, first.how_sure, first.cost):
        assert words in front


def test_the_smallest_tier_says_that_its_numbers_mean_nothing(browser, boards):
    """On its own page, and where the front page would name a winner of it."""
    shown = seen_on(browser, boards / "paper/smoke/index.html", PHONE)
    assert "its numbers mean nothing" in shown
    readme = (boards / "paper/smoke/README.md").read_text()
    assert "**This tier only shows" in readme
    assert "(1 of 8 seeds diverged)" in readme


def test_claims_are_filtered_and_searched(browser, boards):
    """Every claim once, with its status in words; a filter and a search leave what fits, and the address has them."""
    shown = seen_on(browser, boards / "claims/index.html", PHONE)
    assert "supported" in shown
    groups = "document.querySelectorAll('#claims tbody:not([hidden])').length"
    whole = browser.run(groups)
    assert whole == len(browser.texts("#claims tbody th"))
    browser.choose("#by-status", "open")
    left = browser.run(groups)
    assert 0 < left < whole
    assert {text.partition(" ")[2] for text in browser.texts("#claims tbody:not([hidden]) tr:first-child .mark")} == {
        "open"
    }
    assert browser.run("location.hash") == "#status=open"
    browser.click("#search")
    browser.type("no claim says this")
    browser.wait("document.querySelector('#count').textContent.startsWith('claims: 0 of')")


def test_markdown_says_the_same_as_the_pages(boards, plugins):
    """The answer before any table, the winner's row, and the claims with their counts."""
    first = read_board(boards / "gradflow/small", boards, Suites(plugins)).seen.first
    board, front, claims = ((boards / name / "README.md").read_text() for name in ("gradflow/small", "", "claims"))
    plain = board.replace("\\", "")
    assert plain.index(first.answer) < plain.index("](charts/answer.svg)") < plain.index("| who wins |")
    assert plain.index("| who wins |") < plain.index("## The questions of the suite") < plain.index("## Version")
    assert first.beaten in front.replace("\\", "")
    page = (boards / "claims/index.html").read_text()
    counts = claims.replace("\\", "").split("**")[1]
    assert counts in page
    assert counts.startswith("Of 21 claims of 1 paper: ")
