"""Exported tables: all digits in CSV, LaTeX that compiles, Markdown that stays text, whatever names there are."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess

import pytest
from board_records import places, row, store
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import ROOT

from ticketbench.board.build import read_board
from ticketbench.board.export.as_csv import csv_text, harmless
from ticketbench.board.export.as_latex import MOST_ON_A_PAGE, escape_latex, latex_text
from ticketbench.board.export.as_markdown import markdown_text
from ticketbench.board.export.chosen import Chosen
from ticketbench.board.export.sheet import Amount, Sheet, SheetColumn, Tags
from ticketbench.board.export.sheets import FORMATS, SHEETS, exported
from ticketbench.board.suites import Suites
from ticketbench.errors import StoreError, UnknownNameError
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Metric

HOSTILE = r"""=1+1 \input{x} 50% a&b #1 $x$ {y} z_w ~ ^ [b] "q" <i> | `c` -- θé中"""
PERCENT = Metric(title="accuracy", percent=True)
LARGE = 0.1 + 0.2


def sheet(count: int = 2) -> Sheet:
    """Rows with every kind of cell and a hostile name."""
    columns = (
        SheetColumn("name"),
        SheetColumn("same", folds=True),
        SheetColumn("mean", "amount"),
        SheetColumn("p", "p"),
        SheetColumn("mark", "mark"),
        SheetColumn("n", "number"),
        SheetColumn("share", "density"),
        SheetColumn("why", "long"),
        SheetColumn("key", only="csv"),
        SheetColumn("words", "figure", only="shown"),
    )
    made = Sheet("A_title", columns, notes=["100 % & more"])
    for at in range(count):
        mean = Amount(Interval(LARGE, LARGE - 0.1, LARGE + 0.1 * (1 + at)), PERCENT, best=at == 0)
        cells = (HOSTILE if at == 0 else "[x]", "v_1", mean, 1e-5, "as good", 7, 0.05, "-x", "@k", "1 k")
        made.add(cells, Tags(row=f"r{at}"), at)
    return made


@pytest.fixture(scope="module")
def board(plugins_once):
    """A committed board, with questions, claims and thresholds."""
    folder = ROOT / "leaderboards/lth/small"
    return read_board(folder, folder.parents[1], plugins_once)


@pytest.fixture(scope="module")
def plugins_once():
    """The suites that are installed."""
    from ticketbench.plugin.loading import load_plugins

    return Suites(load_plugins())


def grids(text: str) -> list[list[str]]:
    """The rows of a LaTeX table, cell by cell; what is escaped is no sign between cells."""
    body = [line for line in text.splitlines() if line.endswith(r" \\") and not line.startswith("\\caption")]
    return [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in body]


def sound(text: str) -> None:
    """Environments and braces are closed, every row has as many cells as there are columns, all is ASCII."""
    assert text.isascii()
    begun = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    waiting: list[str] = []
    for word, name in begun:
        if word == "begin":
            waiting.append(name)
        else:
            assert waiting.pop() == name
    assert waiting == []
    plain = re.sub(r"(?m)(?<!\\)%.*$", "", text)
    plain = re.sub(r"\\[\\{}&%$#_]", "", plain)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert "#" not in plain
    spec = re.search(r"\\begin\{(?:tabular|longtable)\}\{(.*)\}\n", text)[1]
    width = len(re.sub(r"p\{.*?linewidth\}", "p", spec))
    assert {len(line) for line in grids(text)} == {width}


def test_csv_has_all_digits_and_no_formula():
    """A mean is three plain numbers; the apostrophe keeps foreign text from being computed, numbers keep their sign."""
    made = sheet()
    made.rows[1] = (*made.rows[1][:5], -2.5, *made.rows[1][6:])
    head, first, second = csv.reader(io.StringIO(csv_text(made)))
    assert head == ["name", "same", "mean", "mean, low", "mean, high", "p", "mark", "n", "share", "why", "key"]
    assert first[0] == f"'{HOSTILE}"
    assert [float(one) for one in first[2:5]] == [LARGE, LARGE - 0.1, LARGE + 0.1]
    assert first[5:] == ["1e-05", "as good", "7", "0.05", "'-x", "'@k"]
    assert second[7] == "-2.5"
    assert all(harmless(f"{sign}cmd").startswith("'") for sign in "=+-@")


def test_latex_is_sound_and_shows_what_it_should():
    """The best is bold, a mark is a sign with a note, what all share is in the caption, what programs read is gone."""
    text = latex_text(sheet())
    sound(text)
    assert "\\caption{A\\_title; same v\\_1}" in text
    assert r"\textbf{30.00 [20.00, 40.00]} & $<$0.001 & $\approx$ & 7 & 5 \% & -x & 1 k \\" in text
    assert "{}[x] & 30.00 [20.00, 50.00]" in text  # a row that begins with a bracket is no argument of the line break
    assert text.count("\\midrule") == 2
    assert r"$\approx$ as good" in text
    assert r"100 \% \& more" in text
    assert "30.00 $\\pm$ 10.00}" in latex_text(sheet(), plus_minus=True)
    assert "30.00 [20.00, 50.00]" in latex_text(sheet(), plus_minus=True)  # uneven: half a width would be wrong
    long = latex_text(sheet(MOST_ON_A_PAGE + 1))
    sound(long)
    assert long.count("\\begin{longtable}") == 1


@settings(max_examples=40)
@given(st.text(max_size=40))
@example(HOSTILE)
@example("---")
def test_any_text_is_sound_in_latex_csv_and_markdown(name):
    """Whatever a name holds, it is one cell of one row."""
    made = sheet()
    made.rows[0] = (name, *made.rows[0][1:])
    sound(latex_text(made))
    assert len(list(csv.reader(io.StringIO(csv_text(made))))) == 3
    lines = [line for line in markdown_text(made).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(re.findall(r"\|", lines[1]))}


def test_letters_are_those_that_tex_has():
    """Accents and Greek as commands, other scripts as numbers; hyphens in a row stay hyphens."""
    assert escape_latex("é θ ÷ 中 ñ --x −1") == r"{\'{e}} $\theta$ [U+00F7] [U+4E2D] {\~{n}} -{}-x $-$1"
    assert escape_latex("\\~^_%&#${}") == (r"\textbackslash{}\textasciitilde{}\textasciicircum{}\_\%\&\#\$\{\}")


def test_every_table_of_a_real_board_in_every_format(board):
    """The CSV's numbers are the board's; LaTeX is sound; the rows are the same in all."""
    for name in SHEETS:
        texts = {form: exported(board, name, form, Chosen()) for form in FORMATS}
        sound(texts["latex"])
        count = len(list(csv.reader(io.StringIO(texts["csv"])))) - 1
        assert count == len([line for line in texts["markdown"].splitlines() if line.startswith("| ")]) - 2 > 0
    answers = list(csv.DictReader(io.StringIO(exported(board, "answers", "csv", Chosen()))))
    compared = [one for answer in board.judged.judgement.answers for one in answer.compared]
    assert [(float(a["difference"]), float(a["p"]), a["mark"]) for a in answers] == [
        (one.found.interval.mean, one.found.telling, one.found.mark) for one in compared
    ]
    entries = list(csv.DictReader(io.StringIO(exported(board, "places", "csv", Chosen()))))
    assert [float(one["mean"]) for one in entries] == [
        one.interval.mean for table in board.tables for place in table.places for one in place.standings
    ]
    thresholds = list(csv.DictReader(io.StringIO(exported(board, "thresholds", "csv", Chosen(rows=("imp",))))))
    assert {one["row"] for one in thresholds} == {"imp"}


def test_filters_narrow_a_table_and_a_wrong_name_is_told(board):
    """By name, by density within one percent; overall counts the places that are asked for."""
    chosen = Chosen(tasks=("digits",), models=("mlp",), densities=(0.05,), rows=("imp", "dense"))
    entries = list(csv.DictReader(io.StringIO(exported(board, "places", "csv", chosen))))
    assert {(one["row"], float(one["density"])) for one in entries} == {("imp", 0.05), ("dense", 0.05)}
    overall = list(csv.DictReader(io.StringIO(exported(board, "overall", "csv", Chosen(densities=(0.05, 0.02))))))
    assert {one["places"] for one in overall if one["row"] == "han"} == {"2"}
    with pytest.raises(
        UnknownNameError, match=r"unknown row 'imq' in the places of lth, tier small\. Did you mean 'imp"
    ):
        exported(board, "places", "csv", Chosen(rows=("imq",)))
    with pytest.raises(UnknownNameError, match=r"unknown density '0\.3'"):
        exported(board, "places", "csv", Chosen(densities=(0.3,)))
    with pytest.raises(UnknownNameError, match=r"unknown model 'mlq'"):
        exported(board, "answers", "csv", Chosen(models=("mlq",)))


def test_a_board_without_a_reference_has_places_and_says_what_it_lacks(tmp_path):
    """Tables of answers and claims need one; of what has nothing the message says what there is."""
    store(places(tmp_path), row("x", 0.1, [0.5] * 5), row(HOSTILE, 0.1, [0.4, 0.5, 0.6, 0.5, 0.4]))
    found = read_board(tmp_path / "paper/smoke", tmp_path, Suites())
    sound(exported(found, "places", "latex", Chosen()))
    assert f"'{HOSTILE}" in exported(found, "places", "csv", Chosen()).replace('""', '"')
    with pytest.raises(StoreError, match="it has no reference submission"):
        exported(found, "answers", "csv", Chosen())
    with pytest.raises(StoreError, match="the thresholds of paper, tier smoke have nothing"):
        exported(found, "thresholds", "csv", Chosen())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX is installed here")
def test_tex_sets_it(tmp_path):
    """Where TeX is installed: a document of both kinds of table, with hostile names."""
    tables = "\n".join(latex_text(sheet(count)) for count in (2, MOST_ON_A_PAGE + 1))
    preamble = "\\documentclass{article}\\usepackage{booktabs,longtable}\\begin{document}"
    (tmp_path / "a.tex").write_text(f"{preamble}\n{tables}\n\\end{{document}}\n")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
