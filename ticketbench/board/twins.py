"""A chart's twins: the same picture as SVG, PNG and PDF, with the same bytes whenever the chart is the same.

Letters are those of the machine's fonts, and where they stand depends on them. So that every machine makes the same
boards, an SVG ends with the hash of its chart, and the three files are drawn again only where that is another.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from PIL import Image

ENDINGS = ("svg", "png", "pdf")
PIXELS = 2
"""Of the PNG, for each of the chart's."""
REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
NAMES = re.compile(rb"(?:^ */\w+ \d+ 0 R\n){2,}", re.MULTILINE)


def twins(chart: Mapping[str, Any], place: Path | None = None) -> dict[str, bytes]:
    """Ending -> content; what lies at a place already, with these endings, is kept where it is of this chart."""
    plain = dict(chart)
    mark = chart_mark(plain)
    there = {ending: place.with_name(f"{place.name}.{ending}") for ending in ENDINGS} if place else {}
    if there and all(path.is_file() for path in there.values()):
        found = {ending: path.read_bytes() for ending, path in there.items()}
        if found["svg"].endswith(mark):
            return found
    return {
        "svg": vl_convert.vegalite_to_svg(plain).encode() + mark,
        "png": smaller(vl_convert.vegalite_to_png(plain, scale=PIXELS)),
        "pdf": steady(vl_convert.vegalite_to_pdf(plain)),
    }


def chart_mark(chart: Mapping[str, Any]) -> bytes:
    """What an SVG ends with: a hash of the chart and of the version of what draws it."""
    text = json.dumps([version("vl-convert-python"), chart], sort_keys=True)
    return f"<!-- chart {hashlib.sha256(text.encode()).hexdigest()} -->\n".encode()


def smaller(png: bytes) -> bytes:
    """A PNG with the same pixels, compressed as well as the format can."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(packed, "PNG", optimize=True)
    return packed.getvalue()


def steady(pdf: bytes) -> bytes:
    """The same document with its objects in the order in which they are first referred to.

    The library writes fonts, and the names of a page's resources, in an order that differs from one call to the next.
    The document has no date and no identifier.
    """
    start = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    places = [int(found) for found in re.findall(rb"^(\d{10}) \d{5} n", pdf[start:], re.MULTILINE)]
    ends = sorted([*places, start])
    bodies: dict[int, tuple[bytes, bytes]] = {}
    for place in places:
        name, _, rest = pdf[place : ends[ends.index(place) + 1]].partition(b" 0 obj\n")
        words, sign, stream = rest.partition(b"stream\n")
        bodies[int(name)] = (NAMES.sub(lambda run: b"".join(sorted(run[0].splitlines(True))), words), sign + stream)
    trailer = pdf[start:].partition(b"trailer\n")[2].partition(b"startxref")[0]
    order: dict[int, int] = {}
    waiting = [int(found) for found in REFERENCE.findall(trailer)][::-1]
    while waiting:
        number = waiting.pop()
        if number not in order:
            order[number] = len(order) + 1
            waiting += [int(found) for found in REFERENCE.findall(bodies[number][0])][::-1]

    def renamed(words: bytes) -> bytes:
        return REFERENCE.sub(lambda found: b"%d 0 R" % order[int(found[1])], words)

    made, table = pdf[: min(places)], [b"0000000000 65535 f\r\n"]
    for number, new in order.items():
        table.append(b"%010d 00000 n\r\n" % len(made))
        made += b"%d 0 obj\n" % new + renamed(bodies[number][0]) + bodies[number][1]
    trailer = re.sub(rb"/Size \d+", b"/Size %d" % len(table), renamed(trailer))
    end = b"xref\n0 %d\n" % len(table) + b"".join(table) + b"trailer\n" + trailer
    return made + end + b"startxref\n%d\n%%%%EOF" % len(made)
