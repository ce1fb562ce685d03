"""Drawn charts: the same picture as the library's, with a fraction of the text."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import vl_convert
from PIL import Image

from ticketbench.render.drawing import SVG, reduced, rounded, svg_of

CHART = {
    "data": {"values": [{"x": at / 3, "y": at * at, "name": f"n{at % 3}"} for at in range(30)]},
    "title": {"text": "squares <b> & ünïcode", "subtitle": "below"},
    "layer": [
        {"mark": {"type": "line", "point": True, "opacity": 0.4, "clip": True}},
        {"mark": {"type": "rule", "strokeDash": [4, 2]}, "encoding": {"y2": {"value": 30}}},
        {"mark": {"type": "bar", "cornerRadius": 3, "opacity": 0.2}},
        {"mark": {"type": "text", "dx": 8}, "encoding": {"text": {"field": "name"}}},
    ],
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative", "scale": {"domain": [0, 700]}},
        "color": {"field": "name", "type": "nominal"},
    },
    "width": 300,
    "height": 200,
}


def pixels(svg: str) -> np.ndarray:
    """The picture, twice as large."""
    with Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=2))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_nothing_is_seen_of_what_is_left_out():
    """Pixel by pixel but for edges that moved by a tenth; less than half the text; one description, the title."""
    whole = vl_convert.vegalite_to_svg(CHART)
    small = svg_of(CHART)
    assert len(small) < len(whole) / 2
    apart = np.abs(pixels(whole) - pixels(small)).max(axis=2)
    assert apart.mean() < 0.5
    assert (apart > 100).mean() < 1e-4
    root = ElementTree.fromstring(small)
    assert (root.get("role"), root.get("aria-label")) == ("img", "squares <b> & ünïcode")
    assert "squares <b> & ünïcode" in "".join(root.itertext())


def test_numbers_are_as_short_as_can_be():
    """A tenth of a pixel, without zeros that say nothing."""
    written = ["12.0000003", "-0.04", "0.5", "-0.46", "1e-16", "10.0", "382.868954"]
    assert [rounded(one) for one in written] == ["12", "-0", ".5", "-.5", "0", "10", "382.9"]


def test_a_clip_moves_with_nothing():
    """A group that is cut off keeps its place beside one that is moved; invisible and empty ones go."""
    svg = (
        f'<svg xmlns="{SVG}" width="9" height="9"><g clip-path="url(#c)"><g transform="translate(1.26,2)">'
        '<path class="background" d="M0,0h9"/><path d="M0,0h9" fill="red" opacity="1"/><g><g/></g>'
        '<text x="1" fill="red">a</text></g></g></svg>'
    )
    assert reduced(svg) == (
        f'<svg xmlns="{SVG}" width="9" height="9"><g clip-path="url(#c)"><g transform="translate(1.3,2)" fill="red">'
        '<path d="M0,0h9"/><text x="1">a</text></g></g></svg>'
    )
