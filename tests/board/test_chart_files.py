"""A chart's file: the same bytes in every process, and kept while the chart is the same."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

from ticketbench.board.chart_files import chart_file, chart_mark

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
from ticketbench.board.chart_files import chart_file
print(hashlib.sha256(chart_file(json.loads(sys.argv[1]))).hexdigest())
"""


def test_a_chart_is_drawn_alike_in_every_process():
    """The same bytes, again here and in another process; with its words, and its hash at the end."""
    drawn = chart_file(CHART)
    assert chart_file(CHART) == drawn
    done = subprocess.run([sys.executable, "-c", CODE, json.dumps(CHART)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(drawn).hexdigest()
    assert "a &lt;b&gt; &amp; ünïcode" in drawn.decode()
    assert drawn.endswith(chart_mark(CHART))


def test_what_is_there_is_kept_while_the_chart_is_the_same(tmp_path):
    """Of a machine with other fonts; another chart, or a file without the hash, is drawn again."""
    path = tmp_path / "chart.svg"
    path.write_bytes(b"other fonts" + chart_mark(CHART))
    assert chart_file(CHART, path) == path.read_bytes()
    assert chart_file({**CHART, "width": 90}, path).startswith(b"<svg")
    path.write_bytes(b"other fonts")
    assert chart_file(CHART, path) == chart_file(CHART)
