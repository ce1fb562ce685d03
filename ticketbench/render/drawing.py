"""A chart drawn as SVG, without what a picture does not need: the same look in a fraction of the bytes.

The library writes an element for each point with its description, numbers with sixteen digits, groups within groups,
and every property again on every element. Here numbers have one decimal of a pixel, properties that all parts of a
group share stand at the group, and the whole picture has one description, its title.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import vl_convert

DRAWING = 1
"""Raised when charts are to be drawn again because of what stands below."""
SVG = "http://www.w3.org/2000/svg"
SPOKEN = ("class", "role", "aria-", "pointer-events", "cursor")
"""What attributes begin with that say nothing about the look."""
IMPLIED = {"opacity": "1", "stroke-dasharray": "1,0", "stroke-width": "1", "text-anchor": "start", "x2": "0", "y2": "0"}
"""Attributes with the value that they have where they are not written."""
NUMBERED = ("transform", "d", "x", "y", "x2", "y2", "width", "height", "cx", "cy", "r", "rx", "ry")
INHERITED = (
    *("fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-linejoin"),
    *("font-family", "font-size", "font-weight", "text-anchor"),
)
RUN = 3
"""So many neighbours that look alike are worth a group."""
NUMBER = re.compile(r"-?\d*\.\d+(?:e-?\d+)?|-?\d+e-?\d+")
CIRCLE = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0Z?")
MOVED = re.compile(r"translate\((-?[\d.]+),(-?[\d.]+)\)")


def svg_of(chart: Mapping[str, Any]) -> str:
    """A Vega-Lite chart as SVG."""
    title = chart.get("title", "")
    return reduced(vl_convert.vegalite_to_svg(dict(chart)), title if isinstance(title, str) else title["text"])


def reduced(svg: str, title: str = "") -> str:
    """An SVG of the library with the same look and less text; `title` says what it shows."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    size = {name: root.get(name, "") for name in ("width", "height")}
    strip(root)
    lift(root)
    root.attrib |= size
    if title:
        root.attrib |= {"role": "img", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def strip(element: ElementTree.Element) -> None:
    """Take out of an element, and of all within it, what cannot be seen."""
    for child in list(element):
        if unseen(child):
            element.remove(child)
        else:
            strip(child)
    for name, value in list(element.attrib.items()):
        if name.startswith(SPOKEN) or IMPLIED.get(name) == value:
            del element.attrib[name]
        elif name in NUMBERED:
            element.set(name, NUMBER.sub(lambda found: rounded(found[0]), value))
    if "stroke-width" in element.attrib and "stroke" not in element.attrib and not tag_is(element, "g"):
        del element.attrib["stroke-width"]
    if element.get("transform") == "translate(0,0)":
        del element.attrib["transform"]
    as_circle(element)
    unwrap(element)


def rounded(number: str) -> str:
    """A number to a tenth, as short as it can be written."""
    return f"{float(number):.1f}".removesuffix(".0").replace("-0.", "-.").removeprefix("0") or "0"


def unseen(element: ElementTree.Element) -> bool:
    """Whether an element leaves nothing on the picture: hidden, or the frame of a group in no colour."""
    if element.get("display") == "none" or element.get("opacity") == "0":
        return True
    frame = element.get("class", "") == "background"
    return frame and all(element.get(paint, "none") in ("none", "transparent") for paint in ("fill", "stroke"))


def as_circle(element: ElementTree.Element) -> None:
    """A path that is a circle becomes one."""
    shape, place = CIRCLE.fullmatch(element.get("d", "")), MOVED.fullmatch(element.get("transform", ""))
    if shape and place:
        element.tag = f"{{{SVG}}}circle"
        del element.attrib["d"], element.attrib["transform"]
        element.attrib |= {"cx": place[1], "cy": place[2], "r": shape[1]}


def unwrap(element: ElementTree.Element) -> None:
    """Groups without attributes give way to what they hold, and empty ones go."""
    for at, child in reversed(list(enumerate(element))):
        if tag_is(child, "g") and not len(child):
            del element[at]
        elif tag_is(child, "g") and not child.attrib:
            element[at : at + 1] = list(child)
    if tag_is(element, "g") and len(element) == 1 and tag_is(element[0], "g"):
        inner = element[0]
        if not all(part.attrib.keys() - set(INHERITED) for part in (element, inner)):
            element.attrib |= inner.attrib
            element[:] = list(inner)


def lift(element: ElementTree.Element) -> None:
    """Properties that all parts of a group share stand at the group."""
    for child in element:
        lift(child)
    if not tag_is(element, "g") or len(element) < 2:
        return
    gather_groups(element)
    for name in INHERITED:
        values = {child.get(name) for child in element}
        if len(values) == 1 and (value := values.pop()) is not None:
            element.set(name, value)
            for child in element:
                del child.attrib[name]


def gather_groups(element: ElementTree.Element) -> None:
    """Neighbours that have the same properties become a group, in the same place."""
    looks = [{name: child.attrib[name] for name in INHERITED if name in child.attrib} for child in element]
    found: list[ElementTree.Element] = []
    for _, run in itertools.groupby(range(len(looks)), key=lambda at: looks[at]):
        places = list(run)
        children = [element[at] for at in places]
        look = looks[places[0]]
        if RUN <= len(children) < len(element) and look:
            for child in children:
                for name in look:
                    del child.attrib[name]
            group = ElementTree.Element(f"{{{SVG}}}g", look)
            group[:] = children
            children = [group]
        found += children
    element[:] = found


def tag_is(element: ElementTree.Element, name: str) -> bool:
    """Whether an element is of a kind."""
    return element.tag == f"{{{SVG}}}{name}"
