"""The tables of docs/statistics.md are those that the command makes, and what they promise holds in a shorter run."""

from __future__ import annotations

import math

import pytest
from places import ROOT

from ticketbench.board.residuals import recorded_in
from ticketbench.board.suites import Suites
from ticketbench.results.calibration.boards import BOARD_SEEDS, STANDARD, TESTS, Rates, rates_of
from ticketbench.results.calibration.kinds import FAIR, UNLIKE, Recorded
from ticketbench.results.calibration.looking import FIRST, LookRates, look_rates
from ticketbench.results.calibration.table import (
    BEGIN,
    BOARD_COLUMNS,
    END,
    LOOK_COLUMNS,
    Calibration,
    board_lines,
    calibration_markdown,
    look_lines,
    written_into,
)
from ticketbench.results.looks import plan_of

PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
MADE = PAGE.partition(BEGIN)[2].partition(END)[0]
COMMITTED = 1000
"""Boards that the committed numbers come from."""


def table(columns):
    """The lines of the committed table with these columns."""
    lines = [line for line in MADE.splitlines() if line.startswith("|")]
    start = lines.index(f"| {' | '.join(columns)} |")
    found = []
    for line in lines[start + 2 :]:
        if line.startswith("| kind"):
            break
        found.append(tuple(part.strip() for part in line.strip("|").split("|")))
    return found


def numbers(text):
    """The numbers of one place of a table."""
    return [float(part) for part in text.split(" / ")]


def agrees(count, boards, committed):
    """Whether a short run's count and a committed percentage may be of one probability: 4 standard errors."""
    share = max(committed / 100, 0.01)
    error = math.sqrt(min(share, 0.75) * (1 - min(share, 0.99)) * (1 / boards + 1 / COMMITTED))
    return abs(count / boards - committed / 100) <= 4 * error


@pytest.fixture(scope="module")
def recorded(plugins):
    """What the committed records say."""
    return recorded_in(sorted((ROOT / "leaderboards").glob("*/small")), Suites(plugins))


def test_the_committed_tables_have_all_kinds_tests_and_plans(recorded):
    """In the order of the code, from as many boards as they say, and of the records that are here."""
    assert [line[:2] for line in table(BOARD_COLUMNS)] == [
        (kind.name, test) for kind in (*FAIR, *UNLIKE) for test in TESTS
    ]
    plans = [", ".join(str(look.seeds) for look in plan_of(first)) for first in FIRST]
    assert [line[:2] for line in table(LOOK_COLUMNS)] == [(kind.name, plan) for kind in FAIR for plan in plans]
    empty = Calibration(recorded, COMMITTED, 0)
    assert empty.about() in MADE, "records have changed: `make calibration` counts again"
    assert calibration_markdown(empty).partition("**Boards at")[0].strip() in MADE


def test_what_is_promised_holds_in_the_committed_tables():
    """At most 5 % of boards with a false mark of either sort, for each fair kind, at each number of seeds and look."""
    fair = {kind.name for kind in FAIR}
    standard = [line for line in table(BOARD_COLUMNS) if line[0] in fair and line[1] == STANDARD]
    for line in standard:
        assert max(numbers(line[2]) + numbers(line[3])) <= 5.0, line
        assert len(numbers(line[2])) == len(numbers(line[3])) == len(BOARD_SEEDS)
    for line in table(LOOK_COLUMNS):
        assert max(float(line[2]), float(line[4])) <= 5.0, line


def test_a_shorter_run_agrees_with_the_committed_boards(recorded):
    """A hundred boards of three kinds: false marks, equivalence, and what is found."""
    committed = {line[:2]: line[2:] for line in table(BOARD_COLUMNS)}
    for kind, seeds in ((FAIR[1], 8), (FAIR[3], 5), (UNLIKE[0], 11)):
        at = BOARD_SEEDS.index(seeds)
        for one in rates_of(kind, seeds, 100, recorded, seed=20):
            false, wrong, *found = committed[kind.name, one.test]
            assert agrees(one.false, 100, numbers(false)[at]), one
            assert one.wrong is None or agrees(one.wrong, 100, numbers(wrong)[at]), one
            for share, said in zip(one.found, found, strict=False):
                assert abs(100 * share - numbers(said)[at]) < 10, one
            assert one.holds or one.test != STANDARD or kind in UNLIKE


def test_a_shorter_run_agrees_with_the_committed_looks(recorded):
    """Fifty families that are looked at until they are decided."""
    found = look_rates(FAIR[0], FIRST[0], 50, recorded, seed=20)
    false, careless, wrong, first, end, seeds = table(LOOK_COLUMNS)[0][2:]
    assert found.holds
    assert agrees(found.false, 50, float(false))
    assert agrees(found.careless, 50, float(careless))
    assert agrees(found.wrong, 50, float(wrong))
    for shares, said in ((found.at_first, first), (found.decided, end)):
        assert [100 * share for share in shares] == pytest.approx(numbers(said), abs=12)
    assert list(found.seeds) == pytest.approx(numbers(seeds), abs=1.5)


def test_lines_by_hand():
    """Numbers of seeds beside each other; a dash where a test has no such mark, or nothing was there to find."""
    rates = [
        Rates("gaussian", 5, "a", 40, 2, 1, (0.1, 0.254, 1.0), 0.5),
        Rates("gaussian", 8, "a", 40, 0, 40, (0.0, 0.5, 1.0), 0.25),
        Rates("one", 5, "b", 40, 1, None),
    ]
    assert board_lines(rates) == [
        ("gaussian", "a", "5.0 / 0.0", "2.5 / 100.0", "10 / 0", "25 / 50", "100 / 100", "50 / 25"),
        ("one", "b", "2.5", "–", "–", "–", "–", "–"),
    ]
    seeds = "40 / 40 / 20 / 10"
    look = LookRates(
        "gaussian", plan_of(10), 50, 1, 2, 6, (0.0, 0.1, 0.2, 0.5), (0.1, 0.2, 0.3, 1.0), (40, 39.6, 20, 10)
    )
    assert look_lines([look]) == [
        ("gaussian", "10, 15, 20, 30, 40", "2.0", "12.0", "4.0", *("0 / 10 / 20 / 50", "10 / 20 / 30 / 100"), seeds)
    ]
    text = calibration_markdown(Calibration(Recorded((), (), ("x/small",)), 40, 7, rates, [look]))
    assert "40 boards of 20 comparisons for each line and number of seeds, from seed 7" in text
    assert "| gaussian | a | 5.0 / 0.0 |" in text


def test_only_what_is_between_the_marks_is_written():
    """And nothing where they are missing, twice, or in the wrong order."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written_into(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert written_into(written_into(page, "new"), "new") == written_into(page, "new")
    for wrong in ("", BEGIN, END, f"{END}{BEGIN}", page + page, f"{page}{END}"):
        assert written_into(wrong, "new") is None
