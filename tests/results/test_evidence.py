"""Evidence: of a store's curves and probes, what a suite's paper speaks of and no more."""

from __future__ import annotations

from lottery_store import lottery, record

from ticketbench.results.evidence import addresses, points_of, probes_of, splits
from ticketbench.results.results import gather_results
from ticketbench.suite.suite import read_suite

ADDRESS = "distance/round 3/hamming"


def test_only_the_splits_that_are_shown_are_read(tmp_path, plugins, tiny_suite):
    """Test always, train where a figure shows sizes."""
    path, store = lottery(tmp_path, plugins)
    suite = read_suite(path)
    assert splits(suite) == ["test", "train"]
    assert splits(read_suite(tiny_suite())) == ["test"]
    keys = store.read("cells")["key"].to_pylist()[:1]
    assert {point.split for point in points_of(store, keys, ["test"])[keys[0]]} == {"test"}


def test_only_the_probes_that_are_shown_are_read(tmp_path, plugins):
    """By cell and by address; layers and other probes stay in the store."""

    def change(axes):
        return {**record(axes), "probes": [*record(axes)["probes"], ("other", "drawn", "x", 1.0)]}

    path, store = lottery(tmp_path, plugins, change)
    suite = read_suite(path)
    assert addresses(suite) == {ADDRESS}
    rows = store.read("cells").select(["key", "seed"]).to_pylist()
    found = probes_of(store, [row["key"] for row in rows[:3]], addresses(suite))
    assert found == {row["key"]: {ADDRESS: 0.25 + row["seed"] / 100} for row in rows[:3]}
    assert probes_of(store, ["x"], set()) == {}
    assert {tuple(entry.probes) for entry in gather_results(store, suite, None, plugins).entries} == {(ADDRESS,)}


def test_claims_and_their_other_sides_name_probes(tmp_path, plugins):
    """As do targets."""
    text = """
[[claims]]
text = "t"
source = "s"
row = "imp"
measure = "probe"
probe = "a/drawn/x"
than = { probe = "a/trained/x" }
expect = "lower"

[[targets]]
tier = "smoke"
row = "imp"
measure = "probe"
probe = "b/drawn/y/z"
value = 1.0
source = "s"
"""
    path, _ = lottery(tmp_path, plugins, lambda axes: None)
    path.write_text(path.read_text() + text)
    assert addresses(read_suite(path)) == {ADDRESS, "a/drawn/x", "a/trained/x", "b/drawn/y/z"}
