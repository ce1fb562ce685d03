"""A chart's files: pictures that open, and the same bytes in every process."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys

import pytest
from PIL import Image

from ticketbench.board.twins import PIXELS, steady, twins

CHART = {
    "data": {"values": [{"x": at, "y": at * at, "name": f"n{at % 3}"} for at in range(9)]},
    "title": {"text": "squares", "subtitle": "a <b> & ünïcode"},
    "mark": {"type": "line", "point": True, "opacity": 0.4},
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
        "color": {"field": "name", "type": "nominal"},
    },
    "width": 200,
    "height": 100,
}
CODE = """
import hashlib, json, sys
from ticketbench.board.twins import twins
made = twins(json.loads(sys.argv[1]))
print(json.dumps({kind: hashlib.sha256(content).hexdigest() for kind, content in made.items()}))
"""


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    """The chart's files."""
    return twins(CHART)


def test_a_chart_is_drawn_alike_in_every_process(drawn):
    """Three files, each of the same bytes, again here and in another process."""
    own = {kind: hashlib.sha256(content).hexdigest() for kind, content in drawn.items()}
    assert list(own) == ["svg", "png", "pdf"]
    assert {kind: hashlib.sha256(content).hexdigest() for kind, content in twins(CHART).items()} == own
    done = subprocess.run([sys.executable, "-c", CODE, json.dumps(CHART)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == own


def test_the_files_are_what_they_are_called(drawn):
    """An SVG with its words, a PNG of twice the pixels, a PDF of one page without a date."""
    assert "a &lt;b&gt; &amp; ünïcode" in drawn["svg"].decode()
    width = float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn["svg"].decode())[1])
    with Image.open(io.BytesIO(drawn["png"])) as picture:
        picture.load()
        assert picture.width == pytest.approx(PIXELS * width, abs=PIXELS)
    assert drawn["pdf"].startswith(b"%PDF-")
    assert drawn["pdf"].count(b"/Type /Page\n") == 1
    assert b"Date" not in drawn["pdf"]


def test_every_object_of_the_pdf_is_where_its_table_says(drawn):
    """Each offset leads to the object of its number, numbered as they are first referred to."""
    pdf = drawn["pdf"]
    start = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    assert pdf[start : start + 5] == b"xref\n"
    places = [int(found) for found in re.findall(rb"^(\d{10}) \d{5} n\r\n", pdf[start:], re.MULTILINE)]
    assert len(places) > 5
    for number, place in enumerate(places, 1):
        assert pdf[place:].startswith(b"%d 0 obj\n" % number)
    assert b"/Root 1 0 R" in pdf[start:]
    assert f"/Size {len(places) + 1}".encode() in pdf[start:]
    assert steady(pdf) == pdf


def test_what_is_there_is_kept_while_the_chart_is_the_same(drawn, tmp_path):
    """Of a machine with other fonts; another chart draws all three again."""
    place = tmp_path / "chart-1.2"
    for ending, content in {**drawn, "png": b"other fonts"}.items():
        (tmp_path / f"chart-1.2.{ending}").write_bytes(content)
    assert twins(CHART, place) == {**drawn, "png": b"other fonts"}
    assert twins({**CHART, "width": 90}, place)["png"] != b"other fonts"
    (tmp_path / "chart-1.2.pdf").unlink()
    assert twins(CHART, place) == drawn
