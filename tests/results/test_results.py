"""Results: a place for every planned cell, and nothing mixed that should not be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from paper_store import ENVIRONMENT, PAPER, fill, plain_record

from ticketbench.errors import StoreError
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.results.results import gather_results
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite
from ticketbench.suite.where import Where


@pytest.fixture
def path(tiny_suite):
    """The tiny suite with a paper: two rows, two seeds."""
    written = tiny_suite()
    written.write_text(written.read_text() + PAPER)
    return written


def test_every_planned_cell_has_a_place(tmp_path, path, plugins):
    """One that is not in the store is missing, by name."""
    lost = {("magnitude", 1)}
    store = fill(tmp_path / "s", path, plugins, lambda a: None if (a["row"], a["seed"]) in lost else plain_record(a))
    results = gather_results(store, read_suite(path), "smoke", plugins)
    statuses = {(entry.row, entry.seed): entry.status for entry in results.entries}
    assert statuses == {("dense", 0): "ok", ("dense", 1): "ok", ("magnitude", 0): "ok", ("magnitude", 1): "missing"}
    assert results.rows() == ["dense", "magnitude"]
    assert results.dense_rows == {"dense"}
    assert [one.environment for one in results.environments] == ["e1"]


def test_rows_that_the_suite_does_not_list_are_kept_and_seeds_where_they_are_asked_for(tmp_path, path, plugins):
    """What `--method` added stands beside the rest; what `--seeds` added counts for who asks for as many."""
    store = fill(tmp_path / "s", path, plugins, selection=Selection(seeds=3, methods=("dense", "snip")))
    results = gather_results(store, read_suite(path), "smoke", plugins)
    counted = {row: [entry.seed for entry in results.select(Where(), row)] for row in results.rows()}
    assert counted == {"dense": [0, 1], "magnitude": [0, 1], "snip": [0, 1]}
    assert results.notes == ["left out: 2 cells of seeds that the tier does not have; --seeds counts them"]
    more = gather_results(store, read_suite(path), "smoke", plugins, seeds=3)
    assert dict(more.counts()) == {"ok": 6, "missing": 3}


def test_a_cell_computed_twice_counts_once(tmp_path, path, plugins):
    """The one of today's code, even if another is younger; without it the latest, and the reader is told."""
    suite = read_suite(path)
    store = Store(tmp_path / "s", create=True)
    axes = describe(make_plan(suite, "smoke", plugins).cells[0])
    old = [replace(axes, key=f"old{at}", status="ok", headline=at / 10, finished=float(at)) for at in (7, 3)]
    store.add(old, ENVIRONMENT)
    results = gather_results(store, suite, "smoke", plugins)
    (found,) = [entry for entry in results.entries if entry.judged]
    assert found.record.headline == 0.7
    assert results.notes == [
        "left out: 1 cells that were computed again after code or recipe changed",
        "1 cells were computed by other code or another recipe than what is installed now",
    ]
    store.add([replace(axes, status="ok", headline=0.1, finished=1.0)], ENVIRONMENT)
    results = gather_results(store, suite, "smoke", plugins)
    assert [entry.record.headline for entry in results.entries if entry.judged] == [0.1]
    assert results.notes == ["left out: 2 cells that were computed again after code or recipe changed"]


def test_precisions_and_devices_never_mix(tmp_path, path, plugins):
    """The one with the most cells is reported, the other named; or the one asked for."""
    store = fill(tmp_path / "s", path, plugins)
    fill(tmp_path / "s", path, plugins, precision="bf16", device_class="cuda", selection=Selection(methods=("dense",)))
    suite = read_suite(path)
    results = gather_results(store, suite, "smoke", plugins)
    assert (results.precision, results.device_class, len(results.entries)) == ("fp32", "cpu", 4)
    assert results.notes == ["left out: 2 cells at bf16 on cuda; this report is at fp32 on cpu"]
    other = gather_results(store, suite, "smoke", plugins, precision="bf16")
    assert dict(other.counts()) == {"ok": 2, "missing": 2}
    with pytest.raises(StoreError, match="no cell at that precision and device"):
        gather_results(store, suite, "smoke", plugins, precision="tf32")


def test_without_a_cell_the_store_says_what_it_has(tmp_path, path, plugins):
    """And which command computes what is wanted."""
    suite = read_suite(path)
    with pytest.raises(StoreError, match=r"has no cells of suite 'tiny' version 1, tier smoke. `ticketbench run"):
        gather_results(Store(tmp_path / "s", create=True), suite, None, plugins)
    store = fill(tmp_path / "s", path, plugins)
    newer = suite.model_copy(update={"version": 2})
    with pytest.raises(StoreError, match=r"version 2, tier smoke; it has tiny 1 smoke \(4\)\."):
        gather_results(store, newer, None, plugins)


def test_a_curve_is_the_sweep_of_the_first_judgement(tmp_path, path, plugins):
    """Unless a label, a split, a metric or another x is asked for; of several rounds the last."""
    points = [
        ("validation", "", "accuracy", 0, "step", 5.0, 0.1),
        ("validation", "", "accuracy", 1, "step", 5.0, 0.2),
        ("test", "far", "accuracy", 0, "density", 1.0, 0.3),
        ("test", "far", "accuracy", 1, "iterations", 8.0, 0.5),
        ("test", "far", "accuracy", 1, "iterations", 4.0, 0.4),
        ("test", "far", "accuracy", 1, "density", 0.5, 0.5),
        ("test", "near", "accuracy", 1, "iterations", 4.0, 0.9),
    ]
    suite = read_suite(path)
    suite = suite.model_copy(update={"figures": (suite.figures[0].model_copy(update={"split": "validation"}),)})
    store = fill(tmp_path / "s", path, plugins, lambda a: {**plain_record(a), "curves": points})
    results = gather_results(store, suite, "smoke", plugins)
    entry = results.entries[0]

    def curve(**where):
        found = results.curve(entry, Where(**where))
        return found and (found.name, found.x, found.values)

    assert curve() == ("iterations", (4.0, 8.0), (0.4, 0.5))
    assert curve(judged_on="near") == ("iterations", (4.0,), (0.9,))
    assert curve(x_name="density") == ("density", (0.5, 1.0), (0.5, 0.3))
    assert curve(split="validation") == ("step", (5.0,), (0.2,))
    assert curve(metric="loss") is None


def test_fewer_seeds_are_a_whole_report_if_they_were_asked_for(tmp_path, path, plugins):
    """A run of `--seeds 1` is complete for a report of one seed; other seeds do not count then, and it is said."""
    store = fill(tmp_path / "s", path, plugins, selection=Selection(seeds=1))
    suite = read_suite(path)
    assert dict(gather_results(store, suite, "smoke", plugins).counts()) == {"ok": 2, "missing": 2}
    one = gather_results(store, suite, "smoke", plugins, seeds=1)
    assert dict(one.counts()) == {"ok": 2}
    assert one.notes == ["only seeds 0 of the tier count here"]
    fill(tmp_path / "s", path, plugins)
    assert {entry.seed for entry in gather_results(store, suite, "smoke", plugins, seeds=1).entries} == {0}
