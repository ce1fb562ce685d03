"""Building boards: the same bytes twice, only the pages of what changed, and text from outside that stays text."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from board_records import ENVIRONMENT, cell, places, row, store
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.board.assets import assets, table_library
from ticketbench.board.build import build_boards
from ticketbench.board.charted import MOST_CHARTED
from ticketbench.board.costs import COSTS
from ticketbench.board.dots import by_rank, competing, pareto
from ticketbench.board.markdown import MARK
from ticketbench.board.pages import preface
from ticketbench.board.suites import Suites
from ticketbench.board.words import escaped
from ticketbench.errors import StoreError

HOSTILE = "<img src=x onerror=alert(1)>&<script>alert(2)</script>"
SWEEP = {1: 0.1, 2: 0.3, 3: 0.5}


def rows(shift: float = 0.0):
    """Two rows at two densities, and one that is never pruned."""
    return [
        row(name, density, [base + shift, base, base + 0.1], points=SWEEP)
        for name, base in (("x", 0.5), ("y", 0.6))
        for density in (0.1, 0.2)
    ] + [row("whole", 1.0, [0.8, 0.8, 0.9], points=SWEEP)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two boards, one with two submissions."""
    root = tmp_path / "boards"
    store(places(root), *rows())
    store(places(root, "theirs"), *rows(0.05))
    other = [{**one, "tier": "small"} for part in rows() for one in part]
    store(places(root, tier="small"), other)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file that is no record."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "submissions" not in path.parts
    }


def data_of(page: str) -> dict:
    """What a page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])


def named(table: dict, found: list) -> tuple[str, str]:
    """The submission and the row of one of a page's rows."""
    return tuple(table["lines"][found[0]][:2])


def density(table: dict, found: list) -> float:
    """Where it stands."""
    return table["places"][found[1]][1]


def test_a_second_build_changes_nothing(root):
    """The same files with the same bytes, none of them written again."""
    shown, changed = build_boards(root, Suites())
    assert [(board.suite, board.tier) for board in shown] == [("paper", "small"), ("paper", "smoke")]
    before = contents(root)
    assert {str(path.relative_to(root)) for path in changed} == set(before)
    assert {"README.md", "index.html", "paper/smoke/README.md", "paper/smoke/index.html"} < set(before)
    charts = [name for name in before if name.startswith("paper/smoke/charts/")]
    assert charts
    assert all(re.fullmatch(r"paper/smoke/charts/[a-z0-9-]+\.svg", name) for name in charts)
    assert build_boards(root, Suites())[1] == []
    assert contents(root) == before


def test_a_changed_record_changes_only_its_pages(root):
    """The other board's files, and the front page, stay as they are."""
    build_boards(root, Suites())
    before = contents(root)
    store(places(root, "more"), row("x", 0.1, [0.1, 0.2, 0.3]))
    build_boards(root, Suites())
    changed = {name for name, content in contents(root).items() if before.get(name) != content}
    assert {name for name in changed if name.startswith("paper/small")} == set()
    assert {"paper/smoke/index.html", "paper/smoke/README.md", "README.md"} <= changed
    before = contents(root)
    later = cell("x", 0.1, 0, 0.15, key="again", finished=2.0)
    store(places(root, "more"), [later])
    build_boards(root, Suites())
    assert {name.partition("/")[0] for name in contents(root) if before.get(name) != contents(root)[name]} == {"paper"}


def test_the_page_holds_every_seed(root):
    """Each complete entry with the numbers of its seeds, their records and its machine."""
    build_boards(root, Suites())
    page = (root / "paper/smoke/index.html").read_text()
    (table,) = data_of(page)["tables"]
    assert len(table["rows"]) == 2 * 2 * 3
    one = next(found for found in table["rows"] if (named(table, found), density(table, found)) == (("ours", "x"), 0.1))
    assert one[-1] == [[0.5, 0.5, 0.6], ["x-0.1-0", "x-0.1-1", "x-0.1-2"], 0]
    assert table["places"][one[1]][3] == [0, 1, 2]
    assert one[4] == pytest.approx(1.6 / 3, abs=1e-6)
    assert table["environments"] == [
        "ticketbench 0.1.0 (c0ffee), Python 3.12.1, torch 2.13.0, Linux, abacus, plugins fisher 2 (b)"
    ]
    assert set(next(iter(table["charts"].values()))) == {"density", "sweep", "cost"}


def test_the_page_says_what_each_cost_means(root):
    """One list for the heads of the table, for the dialog and for how to read it; a row has a number for each."""
    build_boards(root, Suites())
    page = (root / "paper/smoke/index.html").read_text()
    data = data_of(page)
    assert [cost["name"] for cost in data["costs"]] == [cost.name for cost in COSTS]
    assert {len(found[8]) for table in data["tables"] for found in table["rows"]} == {len(COSTS)}
    at = [cost.name for cost in COSTS].index("train_seconds")
    assert {found[8][at] for table in data["tables"] for found in table["rows"]} == {3}
    assert "Draw, FLOPs: floating-point operations to draw the ticket, training on the way included." in page


def test_every_chart_has_its_files_and_no_other(root):
    """The page and the Markdown name them; files of charts that are no longer drawn go, other files stay."""
    folder = root / "paper/smoke"
    build_boards(root, Suites())
    (table,) = data_of((folder / "index.html").read_text())["tables"]
    files = [chart["usermeta"]["file"] for kinds in table["charts"].values() for chart in kinds.values()]
    assert sorted(f"charts/{path.name}" for path in (folder / "charts").iterdir()) == sorted(
        [*files, "charts/answer.svg"]
    )
    readme = (folder / "README.md").read_text()
    assert readme.index("](charts/answer.svg)") < readme.index(f"]({files[0]})")
    assert all(f"]({name})" in readme for name in files)
    (folder / "charts/mine.txt").write_text("mine")
    (folder / "charts/old-abcdef.png").write_bytes(b"old")
    assert [path.name for path in build_boards(root, Suites())[1]] == ["old-abcdef.png"]
    assert (folder / "charts/mine.txt").is_file()


def test_records_say_only_what_is_not_as_expected(root):
    """A missing seed, one that diverged and one that does not count, in their places."""
    odd = [cell("z", 0.1, 0, 0.5), cell("z", 0.1, 2, None, status="diverged", reason="nan"), cell("z", 0.1, 7, 0.9)]
    store(places(root, "odd"), odd)
    build_boards(root, Suites())
    (table,) = data_of((root / "paper/smoke/index.html").read_text())["tables"]
    (found,) = table["incomplete"]
    assert found[2] == "missing: seed 1; diverged: seed 2"
    assert found[3] == [
        [0.5, None, None, 0.9],
        ["z-0.1-0", "", "z-0.1-2", "z-0.1-7"],
        [0, None, 0, 0],
        {"1": ["missing", ""], "2": ["diverged", "nan"]},
        [7],
    ]


def test_the_front_page_says_what_a_board_holds(root):
    """Tasks and methods by name, and what its tables share; a filter finds them by the row's data."""
    shown, _ = build_boards(root, Suites())
    assert shown[0].tasks == ("dots",)
    assert shown[0].methods == ("m-whole", "m-x", "m-y")
    page = (root / "index.html").read_text()
    assert '<tr data-suite="paper" data-tier="small" data-task="dots" data-method="m-whole|m-x|m-y">' in page
    assert "version 1, fp32 on cpu" in page


def test_text_from_outside_stays_text(tmp_path):
    """Markup in every text of a record, in the preface and in a folder's name: nowhere an element."""
    root = tmp_path / "boards"
    texts = dict.fromkeys(("row", "method", "model", "task", "protocol", "recipe", "headline_metric"), HOSTILE)
    broken = cell("x", 0.1, 1, None, reason=HOSTILE, status="failed", key=HOSTILE)
    store(
        places(root, "<b>bold<b>"),
        [{**cell("x", 0.1, 0, 0.5), **texts}],
        row("y", 0.1, [0.1]),
        [broken],
        environment=replace(ENVIRONMENT, plugins=HOSTILE, processor=HOSTILE),
    )
    (root / "paper/smoke/about.md").write_text(f"about {HOSTILE} ![p](http://x.example/y.png) [l](javascript:alert(3))")
    (places(root) / "sub").mkdir(parents=True)
    shown, _ = build_boards(root, Suites())
    assert shown[0].troubles[0].startswith("ours: ")
    for name in ("paper/smoke/index.html", "index.html"):
        page = (root / name).read_text()
        markup = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
        assert "<img" not in markup
        assert "<b>" not in markup
        assert "alert(2)</script" not in page
        assert 'href="javascript' not in page
    readme = (root / "paper/smoke/README.md").read_text().replace((root / "paper/smoke/about.md").read_text(), "")
    assert not re.search(r"<(?!!--)", readme)


@given(st.text(max_size=60))
def test_markdown_takes_text_as_text(text):
    """No sign of Markdown or HTML is left bare; one line stays one line."""
    shown = escaped(text)
    assert "\n" not in shown
    assert not re.search(r"<(?!!-- -->)", shown)
    assert not re.search(r"(?<!\\)[\[\]|`*_]", shown.replace("\\\\", ""))


def test_a_page_written_by_hand_is_not_written_over(root):
    """One message says to rename it; the text is still there."""
    path = root / "paper/smoke/README.md"
    path.write_text("# mine\n")
    with pytest.raises(StoreError, match=r"written by hand.*Rename it to about.md"):
        build_boards(root, Suites())
    assert path.read_text() == "# mine\n"
    path.rename(path.with_name("about.md"))
    build_boards(root, Suites())
    made = path.read_text()
    assert made.startswith(f"{MARK}\n\n# paper, tier smoke\n\n")
    assert "## About this board\n\n# mine\n" in made


def test_a_board_writes_only_in_its_folder(root, tmp_path):
    """A page that is a link is refused, and what it points at is left alone."""
    target = tmp_path / "elsewhere.html"
    target.write_text("mine")
    (root / "paper/smoke/index.html").symlink_to(target)
    with pytest.raises(StoreError, match="is a link"):
        build_boards(root, Suites())
    assert target.read_text() == "mine"


def test_what_cannot_be_read_is_set_aside_and_shown(root):
    """A damaged part, an empty folder, cells of another suite: the board is built, and says so."""
    damaged = store(places(root, "damaged"), row("x", 0.1, [0.5]))
    next((damaged.local / "cells").glob("*.parquet")).write_bytes(b"no parquet")
    places(root, "empty").mkdir()
    store(places(root, "foreign"), row("x", 0.1, [0.5], suite="other"))
    board = next(board for board in build_boards(root, Suites())[0] if board.tier == "smoke")
    assert [trouble.partition(":")[0] for trouble in board.troubles] == ["damaged", "empty", "foreign"]
    page, readme = ((root / "paper/smoke" / name).read_text() for name in ("index.html", "README.md"))
    for words in ("cannot be read", "neither a store", "of suite other, tier smoke"):
        assert words in page
        assert words in readme.replace("\\", "")


def test_the_front_is_the_cheapest_at_each_height():
    """Points that a cheaper one equals or beats are not on it; the other way for what should be low."""
    points = [{"x": 2.0, "value": 0.5}, {"x": 1.0, "value": 0.4}, {"x": 3.0, "value": 0.45}, {"x": 2.0, "value": 0.6}]
    assert pareto(points, True) == [{"x": 1.0, "value": 0.4}, {"x": 2.0, "value": 0.6}]
    assert pareto(points, False) == [{"x": 1.0, "value": 0.4}]


def test_charts_hold_so_many_lines(tmp_path):
    """Of more rows those that others are compared with are drawn, dashed, and the best; all are in the table."""
    root = tmp_path / "boards"
    parts = [row(f"r{at:02}", density, [at / 40, at / 40]) for at in range(30) for density in (0.1, 0.2)]
    store(places(root), *parts, row("whole", 1.0, [0.01, 0.01]))
    build_boards(root, Suites())
    (table,) = data_of((root / "paper/smoke/index.html").read_text())["tables"]
    (charts,) = table["charts"].values()
    names = charts["density"]["layer"][-1]["encoding"]["color"]["scale"]["domain"]
    assert names == ["whole", *(f"r{at:02}" for at in range(29, 30 - MOST_CHARTED, -1))]
    (points,) = charts["density"]["datasets"].values()
    assert {one["series"] for one in points if one["known"]} == {"whole"}
    assert charts["density"]["usermeta"]["left_out"] == "8 of 31 rows: those compared with, and the best"
    assert [one["name"] for one in charts["density"]["layer"][1]["data"]["values"]] == names
    assert len(table["rows"]) == 62


def test_ranks_are_drawn_where_they_differ():
    """A place whose entries share one range says nothing."""

    def standings(*ranks):
        return SimpleNamespace(standings=[SimpleNamespace(ranks=one) for one in ranks])

    same, apart = standings((1, 2), (1, 2)), standings((1, 1), (2, 2))
    assert competing([same, apart, standings((1, 1))]) == [apart]
    assert by_rank([same], {}) is None


def test_what_pages_share_is_made_once_and_made_again(root, tmp_path):
    """Pages name each file by the hash of what is in it; one that was changed is written again, an older one goes,
    a link is refused."""
    build_boards(root, Suites())
    for name, asset in assets().items():
        stem, _, ending = name.partition(".")
        assert asset.name == f"{stem}.{hashlib.sha256(asset.content).hexdigest()[:12]}.{ending}"
        assert (root / "assets" / asset.name).read_bytes() == asset.content
    pages = {"index.html": "", "paper/smoke/index.html": "../../"}
    for page, above in pages.items():
        named = re.findall(r' (?:src|href)="([^"]*assets/[^"]*)"', (root / page).read_text())
        assert len(named) >= 4
        assert all(name.startswith(f"{above}assets/") for name in named)
        assert all((root / page).parent.joinpath(name).is_file() for name in named)
        assert not re.search(r"<script(?! src=| type=\"application/json\")", (root / page).read_text())
        assert len((root / page).read_bytes()) < 50_000
    first = root / "assets" / assets()["board.js"].name
    first.write_text("stolen()")
    (root / "assets/board.0123456789ab.js").write_text("of an older build")
    (root / "assets/mine.txt").write_text("mine")
    assert {path.name for path in build_boards(root, Suites())[1]} == {first.name, "board.0123456789ab.js"}
    assert first.read_bytes() == assets()["board.js"].content
    assert (root / "assets/mine.txt").is_file()
    (root / "assets").rename(tmp_path / "elsewhere")
    (root / "assets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        build_boards(root, Suites())


def test_a_page_says_something_without_its_scripts(root):
    """The first lines of the table as they stand on the page, and which folder has to be copied with it."""
    build_boards(root, Suites())
    page = (root / "paper/smoke/index.html").read_text()
    shown = page[page.index('<section class="unmade"') : page.index('<section id="board"')]
    assert "<td>dots, net</td><td>0.2</td>" in shown
    assert "complete entries, 12 of 12" in shown
    assert "they lie in ../../assets/, beside the boards" in page


def test_the_table_library_is_handed_over():
    """As a script that is no module; Markdown's pictures become links."""
    code, _ = table_library()
    assert "window.DataTable=" in code
    assert "export{" not in code
    assert str(preface("a <i>b</i> ![c](d.svg)")) == '<p>a &lt;i&gt;b&lt;/i&gt; <a href="d.svg">c</a></p>\n'
