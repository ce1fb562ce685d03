"""Maps in a report: a probe's distances of one cell, drawn to scale, with names that can be read."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from typing import get_args

import pytest
from lottery_store import SUITE, lottery, record
from plain_records import plain

from ticketbench.errors import SuiteError
from ticketbench.report.build import build_report
from ticketbench.report.charts import write_chart
from ticketbench.report.map_charts import arrows_of, framed, labels_of, map_chart, named_spots, shared, ticks
from ticketbench.report.maps import Spot, distances_of
from ticketbench.report.page import CAPTIONS
from ticketbench.results.evidence import addresses, probes_of
from ticketbench.results.results import CellResult, gather_results
from ticketbench.suite.paper import Figure
from ticketbench.suite.suite import read_suite

BASE = SUITE.partition("\n[[figures]]")[0]
MAP = """
[[figures]]
name = "map"
title = "Where the solutions lie"
kind = "map"
distances = "apart/trained"
initializer = { name = "glorot", gain = 1.0, distribution = "uniform" }
rows = ["imp", "random"]
"""
POINTS = {
    "prune start": (0.0, 0.0),
    "prune end": (3.0, 4.0),
    "scratch 1 start": (10.0, 0.0),
    "scratch 1 end": (10.0, 5.0),
    "scratch 2 start": (0.0, 10.0),
    "scratch 2 end": (-5.0, 10.0),
    "start": (0.0, 0.0),
    "end": (3.0, 5.0),
}


def distances(points=POINTS, times=1.0):
    """What the probe leaves of a cell."""
    names = list(points)
    return [
        ("apart", "trained", f"{one} | {other}", times * math.dist(points[one], points[other]))
        for at, one in enumerate(names)
        for other in names[at + 1 :]
    ]


def measured(axes):
    """A record of the lottery suite with distances, twice as far apart each seed."""
    if axes["row"] == "dense":
        return record(axes)
    return {**record(axes), "probes": [*distances(times=2.0 ** (axes["seed"] - 42)), ("apart", "drawn", "a | b", 9.0)]}


@pytest.fixture
def drawn(tmp_path, plugins):
    """The report's map and the report."""

    def make(change=measured, text=BASE + MAP):
        path, store = lottery(tmp_path, plugins, change, text)
        report = build_report(gather_results(store, read_suite(path), "smoke", plugins))
        return next(drawing for drawing in report.drawings if drawing.figure.kind == "map"), report

    return make


def test_a_map_is_as_far_apart_as_the_probe_found(drawn):
    """Of the first row at the smallest seed, to 1e-6, under the row's name for the cell's own start and end."""
    drawing, _ = drawn()
    places = {place.name: (place.x, place.y) for place in drawing.map.places}
    names = {name: {"start": "imp start", "end": "imp end"}.get(name, name) for name in POINTS}
    assert set(places) == set(names.values())
    for one in POINTS:
        for other in POINTS:
            found = math.dist(places[names[one]], places[names[other]])
            assert found == pytest.approx(math.dist(POINTS[one], POINTS[other]), abs=1e-6)
    assert drawing.map.stress < 1e-7
    assert drawing.grid.notes == [
        "of one cell: imp, seed 42; 55 have distances",
        "stress 0.000: the root of Σ (drawn − measured)² / Σ measured², 0 where the plane shows them all",
    ]


def test_the_smallest_seed_that_has_distances_is_drawn(drawn):
    """A cell that failed, that lacks a pair or that diverged has none; pairs of another moment do not count."""

    def change(axes):
        found = measured(axes)
        if axes["seed"] == 42:
            return {**found, "status": "failed"}
        if axes["seed"] == 43:
            return {**found, "probes": found["probes"][1:]}
        if axes["seed"] == 44:
            return {**found, "probes": [(*found["probes"][0][:3], math.inf), *found["probes"][1:]]}
        return found

    drawing, _ = drawn(change)
    assert drawing.grid.notes[0] == "of one cell: imp, seed 45; 40 have distances"
    places = {place.name: (place.x, place.y) for place in drawing.map.places}
    assert math.dist(places["prune start"], places["prune end"]) == pytest.approx(8 * 5)


def test_the_table_has_kinds_of_solutions(drawn):
    """Means over pairs: both scratch starts are 10 from where pruning starts, and √200 from each other."""
    drawing, _ = drawn()
    grid = drawing.grid
    assert grid.columns == (
        "",
        "prune start",
        "prune end",
        "scratch start ×2",
        "scratch end ×2",
        "imp start",
        "imp end",
    )
    lines = {line[0]: dict(zip(grid.columns, line, strict=True)) for line in grid.lines}
    assert (lines["prune start"]["prune start"], lines["prune start"]["prune end"]) == ("–", "5")
    assert lines["prune start"]["scratch start ×2"] == lines["scratch start ×2"]["prune start"] == "10"
    assert lines["scratch start ×2"]["scratch start ×2"] == f"{math.sqrt(200):.4g}"
    ends = [math.dist((3, 5), POINTS[f"scratch {number} end"]) for number in (1, 2)]
    assert lines["imp end"]["scratch end ×2"] == f"{sum(ends) / 2:.4g}"


def test_the_chart_is_to_scale_in_both_directions(drawn, tmp_path):
    """As many units for a pixel to the right as upwards, which the page keeps."""
    drawing, _ = drawn()
    chart = map_chart(drawing.figure, drawing.map)
    x, y = (chart["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in "xy")
    assert (x[1] - x[0]) / chart["width"] == pytest.approx((y[1] - y[0]) / chart["height"])
    assert chart["usermeta"]["to_scale"] is True
    for place in drawing.map.places:
        assert x[0] < place.x < x[1]
        assert y[0] < place.y < y[1]
    root = ElementTree.parse(write_chart(chart, tmp_path, "map")["svg"]).getroot()
    texts = "".join(root.itertext())
    assert all(word in texts for word in ("prune start", "scratch 2 end", "imp end"))


def test_every_kind_of_chart_has_a_caption():
    """With either band."""
    kinds, bands = (get_args(Figure.model_fields[name].annotation) for name in ("kind", "band"))
    assert set(CAPTIONS) == {(kind, band) for kind in kinds if kind != "table" for band in bands}


def test_a_map_without_distances_says_so(drawn):
    """Nothing is drawn."""
    drawing, _ = drawn(record)
    assert (drawing.map, drawing.grid.lines) == (None, [])
    assert drawing.grid.notes == ["no cell of this figure has distances 'apart/trained' yet"]
    assert map_chart(drawing.figure, None) is None


def test_only_the_values_of_the_maps_probe_and_moment_are_read(tmp_path, plugins):
    """All names of it, and nothing of another moment."""
    path, store = lottery(tmp_path, plugins, measured, BASE + MAP)
    wanted = addresses(read_suite(path))
    assert wanted == {"apart/trained/"}
    keys = store.read("cells")["key"].to_pylist()
    found = probes_of(store, keys, wanted)
    names = {address for values in found.values() for address in values}
    assert names == {f"apart/trained/{name}" for _, _, name, _ in distances()}


def test_a_companion_may_have_the_rows_name():
    """Then the cell's own points are called "this"."""
    points = {"imp end": (0.0, 0.0), "start": (1.0, 0.0), "end": (0.0, 1.0)}
    probes = {f"apart/trained/{name}": value for _, _, name, value in distances(points)}
    entry = CellResult(plain(row="imp", status="ok"), probes=probes)
    assert {name for pair in distances_of(entry, "apart/trained") for name in pair} == {
        "imp end",
        "imp start",
        "this end",
    }
    assert distances_of(CellResult(plain(row="imp")), "apart/trained") == {}


PLACES = [
    Spot("a start", "a", "start", 0.0, 0.0),
    Spot("a end", "a", "end", 10.0, 0.0),
    Spot("b 1 start", "b 1", "start", 0.0, 0.0),
    Spot("b 1 end", "b 1", "end", 0.0, -10.0),
    Spot("b 2 start", "b 2", "start", 0.1, 0.0),
    Spot("b 2 end", "b 2", "end", 5.0, 5.0),
    Spot("c", "c", "", 9.0, 9.0),
]


def test_arrows_go_from_starts_to_ends():
    """From the rim of the start; 90° is to the right, 180° down, 45° up and to the right; the colour is the kind's."""
    arrows = arrows_of(PLACES[:4], 1.0)
    assert [(arrow["series"], arrow["x"], arrow["y"], arrow["x2"], arrow["y2"]) for arrow in arrows] == [
        ("a", 1.0, 0.0, 10.0, 0.0),
        ("b", 0.0, pytest.approx(-1.0), 0.0, -10.0),
    ]
    assert [arrow["angle"] for arrow in arrows] == pytest.approx([90.0, 180.0])
    assert arrows_of(PLACES[4:], 0.1)[0]["angle"] == pytest.approx(math.degrees(math.atan2(4.9, 5.0)))
    assert arrows_of(PLACES[:2], 5.0) == []


def test_names_cover_neither_points_nor_one_another():
    """A kind's starts in one place have one name; no label lies on a point or on another label."""
    frame = framed(PLACES)
    labels = labels_of(PLACES, frame)
    assert [label["name"] for label in labels] == ["a start", "a end", "b start ×2", "b 1 end", "b 2 end", "c"]
    boxes = []
    for label in labels:
        x, y, wide = label["x"] * frame.pixels, label["y"] * frame.pixels, 6.5 * len(label["name"])
        boxes.append((x - wide / 2, y - 7.5, x + wide / 2, y + 7.5))
    points = [
        (p.x * frame.pixels - 4, p.y * frame.pixels - 4, p.x * frame.pixels + 4, p.y * frame.pixels + 4) for p in PLACES
    ]
    for at, one in enumerate(boxes):
        assert all(shared(one, other) < 1e-6 for other in [*boxes[:at], *points])


def test_far_members_of_a_kind_have_names_of_their_own():
    """Closeness is what joins them."""
    assert [name for _, name in named_spots(PLACES[2:5:2], 1.0)] == ["b start ×2"]
    assert [name for _, name in named_spots(PLACES[2:5:2], 0.01)] == ["b 1 start", "b 2 start"]


def test_areas_and_ticks_by_hand():
    """Two by one in common; nothing; 10 apart; 0.02 apart on the shorter side, too."""
    assert shared((0.0, 0.0, 4.0, 4.0), (2.0, 3.0, 9.0, 9.0)) == 2.0
    assert shared((0.0, 0.0, 1.0, 1.0), (2.0, 0.0, 3.0, 1.0)) == 0.0
    assert ticks([-21.0, 31.0], [-21.0, 31.0]) == [-20.0, -10.0, 0.0, 10.0, 20.0, 30.0]
    assert ticks([0.01, 0.05], [0.0, 0.2]) == [0.02, 0.04]


def test_a_single_place_has_a_frame():
    """As when nothing has moved."""
    frame = framed([Spot("a start", "a", "start", 2.0, 3.0), Spot("a end", "a", "end", 2.0, 3.0)])
    assert frame.x[0] < 2.0 < frame.x[1]
    assert frame.y[0] < 3.0 < frame.y[1]


WRONG = {
    "no distances": ('distances = "apart/trained"\n', "", "kind = 'map' and `distances`, the probe and the moment"),
    "distances of a curve": ('kind = "map"\n', "", "kind = 'map' and `distances`, the probe and the moment"),
    "no moment": ("apart/trained", "apart", "'apart' names no moment of a probe: write 'probe/moment', as in"),
    "a value": ("apart/trained", "apart/trained/x", "'apart/trained/x' names no moment of a probe"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_map_is_one_message(tmp_path, old, new, message):
    """It says what belongs there."""
    path = tmp_path / "suite.toml"
    assert old in MAP
    path.write_text(BASE + MAP.replace(old, new))
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert message in str(caught.value)
