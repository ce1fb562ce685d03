"""Reports: our numbers beside the paper's, charts as files, and a page that needs nothing besides itself."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from shutil import which

import pytest
from paper_store import PAPER, curve, fill, plain_record

from ticketbench.errors import StoreError
from ticketbench.plan.plan import Selection
from ticketbench.render.chart_code import chart_library
from ticketbench.render.labels import short, telling
from ticketbench.render.numbers import number, quantity
from ticketbench.report.build import build_report, write_report
from ticketbench.results.results import gather_results
from ticketbench.suite.suite import Metric, read_suite

HOSTILE = "</script><script>alert(1)</script><img src=http://x.example/y onerror=alert(2)>{{ 7*7 }}"


class Page(HTMLParser):
    """Every tag with its attributes, the text outside scripts, and the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self.inside = "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data


@pytest.fixture
def reported(tmp_path: Path, tiny_suite, plugins):
    """The report on made-up records of the tiny suite with a paper."""

    def make(change=plain_record, changes=(), **plan):
        path = tiny_suite()
        text = path.read_text() + PAPER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        store = fill(tmp_path / "store", path, plugins, change, **plan)
        seeds = plan["selection"].seeds if "selection" in plan else None
        return build_report(gather_results(store, read_suite(path), "smoke", plugins, seeds=seeds))

    return make


def test_a_figure_has_our_numbers_and_under_them_the_papers(reported):
    """Mean and deviation over two seeds: dense reaches 50 % at 20 and 30 iterations, pruned at 10 and 20."""
    grid = reported().drawings[0].grid
    assert grid.title == "Figure 1: blobs: accuracy, %"
    assert grid.columns == ("row", "", "seeds", "best", "last", "at 10", "at 99", "to 50 %", "notes")
    assert grid.lines == [
        ("dense", "ours", "2", "83.3 ±23.6", "83.3 ±23.6", "20.8 ±5.9", "–", "25 ±7.1", ""),
        ("dense", "paper", "", "", "", "20.0", "", "20", ""),
        ("magnitude", "ours", "2", "100.0 ±0.0", "100.0 ±0.0", "37.5 ±17.7", "–", "15 ±7.1", ""),
        ("snip", "paper", "", "", "", "", "", "30", ""),
    ]
    assert grid.notes == [
        "paper: read off figure 1",
        "not judged at 99: this tier has 4 points from 10 to 40",
    ]


def test_cells_that_are_missing_or_not_ok_are_counted_and_named(reported):
    """In the line of their row, in the summary, and in a table of their own."""

    def change(axes):
        if axes["row"] == "dense":
            return plain_record(axes)
        return {"status": "diverged", "reason": "not finite"} if axes["seed"] else None

    report = reported(change)
    assert report.summary() == "4 cells: 1 diverged, 1 missing, 2 ok; fp32 on cpu"
    assert report.drawings[0].grid.lines[2] == ("magnitude", "ours", "0/2", *["–"] * 5, "1 diverged, 1 missing")
    assert report.troubles.lines == [
        ("diverged", "magnitude", "0.5", "1", "blobs", "mlp", "same", "default", "not finite"),
        ("missing", "magnitude", "0.5", "0", "blobs", "mlp", "same", "default", ""),
    ]
    assert report.verdicts[0].reason == (
        "magnitude: diverged, which counts as later than all (seed 1); on seed 1 alone, since magnitude: missing "
        "(seed 0); 1 seed; it takes 5"
    )


def test_a_level_that_no_seed_reaches_is_never_reached(reported):
    """Another thing than a curve that is not there."""
    report = reported(lambda axes: {**plain_record(axes), "curves": curve("b", {10: 0.1, 20: 0.2})})
    assert report.drawings[0].grid.lines[0][-2] == "never"


def test_a_figure_without_cells_says_so(reported):
    """It still shows what the paper prints."""
    grid = reported().drawings[1].grid
    assert grid.lines == [("dense", "paper", "", "75.0", "")]
    assert grid.notes == ["tier smoke has no cells of this figure; its tasks are blobs"]


def test_in_another_setting_the_papers_points_are_not_drawn(reported, tmp_path):
    """They stand in the table, with a warning."""
    report = reported(changes=[('comparable = ["smoke"]', 'comparable = ["paper"]')])
    assert "the paper's numbers are of tier paper: tier smoke is another problem" in report.drawings[0].grid.notes
    write_report(report, tmp_path / "out")
    assert 'stroke-width="2.2"' in (tmp_path / "out" / "figure-1.svg").read_text()
    assert ">paper<" not in (tmp_path / "out" / "figure-1.svg").read_text()


def test_a_claim_shows_ours_and_the_papers(reported):
    """Ten iterations fewer for four of six seeds, which --seeds adds; of two neither side reaches the level."""
    (judged,) = reported(selection=Selection(seeds=6)).verdicts
    assert (judged.verdict, judged.paper, judged.setting) == ("supports", "−10 iterations", "blobs, mlp, density 0.5")
    assert judged.ours == "−6.7 iterations [−12.1, −1.2] over 6 seeds"
    assert "dense: never reaches 0.5, which counts as later than all (seed 3, 4, 5)" in judged.reason


def test_targets_show_the_difference(reported):
    """Ours, the paper's, and how far apart they are."""
    assert reported().targets.lines == [("dense", "blobs: parameters", "2", "110", "100", "+10", "counted")]


def test_a_figure_over_densities_joins_the_cells_of_a_row(reported):
    """A cell's own density counts before what another passed on its way."""

    def change(axes):
        final = [("test", "b", "accuracy", 1, "density", axes["density"], axes["density"] / 2)]
        passed = [("test", "b", "accuracy", 0, "density", 0.5, 0.99)] if axes["density"] < 0.5 else []
        return {**plain_record(axes), "curves": [*passed, *final]}

    report = reported(change, changes=[("densities = [0.5]", "densities = [0.5, 0.25]"), ("levels = [0.5]\n", "")])
    lines = {one.label: [(point.x, point.mean) for point in one.points()] for one in report.drawings[0].series}
    assert lines == {"dense": [(1.0, 0.5)], "magnitude": [(0.25, 0.125), (0.5, 0.25)]}


def test_lines_of_a_row_are_told_apart_by_what_differs(reported):
    """Two densities; where nothing differs the row's name is enough."""
    report = reported(changes=[("densities = [0.5]", "densities = [0.5, 0.25]")])
    assert [one.label for one in report.drawings[0].series] == [
        "dense",
        "magnitude density 0.5",
        "magnitude density 0.25",
    ]


def test_names_and_numbers_are_as_short_as_they_may_be():
    """Options that tell apart, digits that count, signs of differences."""
    others = ['net {"a":1,"b":true}', 'net {"a":2,"b":true}']
    assert (short(others[0], others), telling(others[0], others), telling(others[0], others[:1])) == (
        "net a=1",
        "a=1",
        "",
    )
    assert telling("net", ["net", "other"]) == "net"
    percent, plain = Metric(percent=True), Metric()
    assert number(0.8291, "metric", percent) == "82.9"
    assert quantity(-0.0412, "metric", percent, "steps", difference=True) == "−4.1 points"
    assert quantity(0.5, "metric", percent, "steps") == "50.0 %"
    assert quantity(3.14159, "metric", plain, "steps", difference=True) == "+3.142"
    assert quantity(12.0, "x", plain, "steps") == "12 steps"
    assert quantity(1234567.0, "parameters", plain, "") == "1,234,567"
    assert quantity(None, "FLOPs", plain, "") == "–"


# -- files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def written(reported, tmp_path: Path) -> Path:
    """A report of hostile texts, as files."""
    hostile = json.dumps(HOSTILE)
    changes = [
        ('title = "Figure 1: blobs"', f"title = {hostile}"),
        ('text = "pruned is faster"', f"text = {hostile}"),
        ('title = "A tiny suite for tests"', f"title = {hostile}"),
    ]
    report = reported(
        lambda axes: (
            {**plain_record(axes), "status": "collapsed", "reason": HOSTILE} if axes["seed"] else plain_record(axes)
        ),
        changes=changes,
    )
    files = write_report(report, tmp_path / "out")
    assert [path.name for path in files[""]] == ["index.html"]
    assert [path.name for path in files["figure-1"]] == ["figure-1.svg", "figure-1.png", "figure-1.pdf"]
    assert set(files) == {"", "figure-1"}
    return tmp_path / "out"


def test_charts_are_well_formed_files(written: Path):
    """SVG that parses and shows both rows and the paper, PNG and PDF with their signatures."""
    root = ElementTree.parse(written / "figure-1.svg").getroot()
    assert root.tag.endswith("svg")
    texts = "".join(root.itertext())
    assert all(word in texts for word in ("dense", "magnitude", "ours", "paper", "100%"))
    assert (written / "figure-1.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert (written / "figure-1.pdf").read_bytes().startswith(b"%PDF-")


def test_the_page_asks_nothing_of_a_network(written: Path):
    """No address in it leads outside, and its policy forbids every request."""
    page = Page((written / "index.html").read_text())
    places = [value or "" for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href", "action")]
    assert {place.partition(":")[0] for place in places} == {"figure-1.svg", "figure-1.png", "figure-1.pdf", "data"}
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "@import" not in (written / "index.html").read_text().partition("<script>")[0]


def test_hostile_text_stays_text(written: Path):
    """In the title, a claim, a figure, a reason and the charts' data: shown as it is, never run."""
    page = Page((written / "index.html").read_text())
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert [attrs["src"][:10] for tag, attrs in page.tags if tag == "img"] == ["data:image"]
    assert page.text.count(HOSTILE) >= 4
    assert HOSTILE not in "".join(page.scripts)
    charts = re.search(r"const charts = (\{.*\});", page.scripts[1])
    assert json.loads(charts[1])["figure-1"]["title"] == HOSTILE


@pytest.mark.skipif(which("node") is None, reason="node is not installed")
def test_the_scripts_of_the_page_parse(written: Path, tmp_path: Path):
    """What was changed to make them safe inside a page left them JavaScript."""
    for at, script in enumerate(Page((written / "index.html").read_text()).scripts):
        path = tmp_path / f"script{at}.js"
        path.write_text(script)
        done = subprocess.run(["node", "--check", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_library_cannot_end_its_element():
    """Neither a closing tag nor a comment stands in it."""
    assert not re.search(r"</script|<!--", chart_library(), flags=re.IGNORECASE)


def test_a_report_without_charts_needs_no_script(reported, tmp_path: Path):
    """Nothing was judged: the page still says what is missing."""
    report = reported(lambda axes: {"status": "failed", "reason": "broke"})
    write_report(report, tmp_path / "out")
    text = (tmp_path / "out" / "index.html").read_text()
    assert "<script" not in text
    assert "no cell of this figure has been judged yet" in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html"]


def test_a_folder_that_cannot_be_written_is_one_message(reported, tmp_path: Path):
    """The folder and the reason."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match=r"^cannot write the report to .*out: .*Give --output"):
        write_report(reported(), tmp_path / "out")
