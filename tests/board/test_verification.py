"""`ticketbench verify`: true results come out again, raised ones are caught as often as the sample implies."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from board_bundles import SHARES, record, replace_table, suite_file, table_of, tiny_bundle, tiny_store
from hypothesis import given
from hypothesis import strategies as st
from places import STRANGER
from pyarrow import concat_tables
from tiny_suite import TINY

from ticketbench.board.bundle.making import draft, write_bundle
from ticketbench.board.bundle.manifest import hash_of, to_plain, to_toml
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.board.sampling import chance, sample
from ticketbench.board.submission import from_bundle
from ticketbench.board.verdict import read_verdict, verdict_of, write_verdict
from ticketbench.board.verification import (
    allowance,
    candidates,
    chance_together,
    doubtful,
    margin,
    open_bundle,
    pick_sample,
    planned_for,
    repeats,
    weigh_found,
)
from ticketbench.plan.asked_rows import can_be_asked
from ticketbench.plan.plan import Selection
from ticketbench.store.environment import environment_of
from ticketbench.store.schema import CellRecord
from ticketbench.store.store import Store
from ticketbench.store.tables import as_tables
from ticketbench.suite.suite import read_suite

KEYS = [f"{at:020x}" for at in range(20)]


def raise_results(bundle, keys, points=0.02):
    """Claim more for some cells, in the headline and in the curve, with every hash right."""
    cells, curves = (table_of(bundle, name).to_pylist() for name in ("cells", "curves"))
    for row in cells:
        row["headline"] += points if row["key"] in keys else 0
    for point in curves:
        mine = point["key"] in keys and (point["split"], point["metric"]) == ("test", "accuracy")
        point["value"] += points if mine else 0
    for name, rows in (("cells", cells), ("curves", curves)):
        table = table_of(bundle, name)
        replace_table(bundle, name, type(table).from_pylist(rows, schema=table.schema))


# -- the sample ----------------------------------------------------------------------------------------------


def test_the_sample_follows_from_the_hash_and_nothing_else():
    """Not from the order of the keys; another hash or another salt looks at other cells; never one twice."""
    found = sample("a" * 64, KEYS, 5)
    assert found == sample("a" * 64, reversed(KEYS), 5)
    assert found == sample("a" * 64, KEYS, 20)[:5]
    assert len(set(found)) == 5
    assert sample("b" * 64, KEYS, 5) != found != sample("a" * 64, KEYS, 5, "salt")
    assert sorted(sample("a" * 64, KEYS, 99)) == KEYS


def test_every_cell_is_sampled_as_often_as_every_other():
    """Of 20 cells five, 2,000 times: each 500 times, give or take four deviations of 19.4."""
    counts = dict.fromkeys(KEYS, 0)
    for at in range(2000):
        for key in sample(f"{at:064x}", KEYS, 5):
            counts[key] += 1
    assert all(abs(count - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75) for count in counts.values())


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 12))
def test_the_chance_is_that_of_counting_all_samples(cells, false, sampled):
    """The share of all samples that hold a false cell, one by one."""
    false = min(false, cells)
    samples = list(combinations(range(cells), min(sampled, cells)))
    hits = sum(any(cell < false for cell in one) for one in samples)
    assert chance(cells, false, sampled) == pytest.approx(hits / len(samples))


# -- the verdict ---------------------------------------------------------------------------------------------


def test_tolerances_by_hand(tmp_path):
    """Half a point of a share, one percent of a loss; runs of 0.5, 0.6 and 0.7 add 9.9248 · 0.1155."""
    suite = read_suite(suite_file(tmp_path))
    assert allowance(suite, "accuracy", 0.4) == 0.005
    assert allowance(suite, "loss", -2.0) == pytest.approx(0.02)
    assert margin([0.5]) == margin([0.5, 0.5, 0.5]) == 0
    assert margin([0.5, 0.6, 0.7]) == pytest.approx(9.9248 * 0.1 * math.sqrt(4 / 3), rel=1e-4)


@pytest.fixture
def opened(tmp_path, plugins):
    """A bundle of invented records, with suite and plan, and what judging it needs besides records."""
    bundle, suite, plan = open_bundle(tiny_bundle(tmp_path, plugins), plugins, str(tmp_path / "tiny.toml"))
    rows = pick_sample(bundle, candidates(bundle, suite, plan), 4)
    here = replace(environment_of(plugins), torch="2.13.0", processor="abacus", accelerators="")
    return bundle, suite, rows, planned_for(rows, plan), here, plan


def found_of(rows, change=lambda row: {}):
    """Records as a run would find them."""
    return [replace(row, **change(row)) for row in rows]


def test_a_claim_that_comes_out_again_agrees(opened, tmp_path):
    """Every cell, with its numbers; the verdict comes back from its file and belongs to its bundle alone."""
    bundle, suite, rows, cells, here, _ = opened
    verdict = weigh_found(bundle, suite, rows, 4, cells, found_of(rows), here, "cpu", salt="word")
    assert (verdict.agrees, verdict.candidates, verdict.bundle) == (True, 4, bundle.manifest.hash)
    assert all(cell.same_code and cell.alike and cell.tolerance == 0.005 for cell in verdict.cells)
    write_verdict(bundle.folder, verdict)
    assert read_verdict(bundle.folder, read_bundle(bundle.folder).manifest) == verdict
    with pytest.raises(BundleError, match="Verify it again"):
        read_verdict(bundle.folder, bundle.manifest.model_copy(update={"hash": "0" * 64}))


def test_a_row_with_options_is_verified_like_any_other(tmp_path, plugins):
    """`--method 'magnitude[scope=erk]'` in a bundle: planned from its name, and ranked; what is none is not."""
    rows = ("dense", "magnitude[scope=erk]")
    folder = tiny_bundle(tmp_path, plugins, tiny_store(tmp_path, plugins, selection=Selection(methods=rows)))
    bundle, suite, plan = open_bundle(folder, plugins, str(tmp_path / "tiny.toml"))
    assert [method.row for method in bundle.manifest.methods] == [*rows]
    among = candidates(bundle, suite, plan)
    assert {row.row for row in among.values()} == {*rows}
    sampled = pick_sample(bundle, among, 4)
    cells = planned_for(sampled, plan)
    assert [*cells] == [row.key for row in sampled]
    verdict = weigh_found(bundle, suite, sampled, 4, cells, found_of(sampled), environment_of(plugins), "cpu")
    assert verdict.agrees
    write_verdict(bundle.folder, verdict)
    assert read_verdict(bundle.folder, bundle.manifest) == verdict
    foreign = ("magnitude[ scope=erk]", "magnitude[scope=3]", f"magnitude[scope={'[' * 90}]", "magnitud[scope=erk]")
    assert [can_be_asked(suite, plugins, row) for row in (*rows, *foreign)] == [True, True, *[False] * 4]


def test_each_way_to_disagree_is_said(opened):
    """Raised, failed here, not computed, not planned; other hardware is given no more room, and is named."""
    bundle, suite, rows, cells, here, plan = opened
    changes = {
        rows[0].key: {"headline": rows[0].headline - 0.02},
        rows[1].key: {"status": "failed", "headline": None, "reason": "it\nbroke"},
    }
    found = found_of(rows[:2], lambda row: changes[row.key])
    planned = {key: cell for key, cell in cells.items() if key != rows[3].key}
    verdict = weigh_found(bundle, suite, rows, 4, planned, found, here, "cpu")
    assert [cell.reason.partition(":")[0] for cell in verdict.cells] == [
        "the difference is larger than the tolerance",
        "it is failed here (it broke), ok in the bundle",
        "it was not computed",
        "it cannot be computed again",
    ]
    assert not verdict.agrees
    assert verdict.cells[0].difference == pytest.approx(-0.02)
    assert doubtful(verdict, planned) == [cells[rows[0].key]]
    assert [len(fleet.cells) for fleet in repeats(plan, doubtful(verdict, planned), "cpu")] == [2, 3]
    elsewhere = weigh_found(bundle, suite, rows[:1], 4, planned, found, replace(here, processor="another"), "cpu")
    assert (elsewhere.agrees, elsewhere.cells[0].alike, elsewhere.cells[0].tolerance) == (False, False, 0.005)
    assert elsewhere.cells[0].reason.endswith("tolerance, and torch, the processor or the accelerators changed since")
    strict = weigh_found(bundle, suite, rows[:1], 4, planned, found, here, "cpu", tolerance=0.02001)
    assert strict.agrees


def test_a_cell_that_rounding_moves_is_given_what_rounding_moves_it(opened):
    """Runs that differ widen the tolerance; runs that are all the same do not."""
    bundle, suite, rows, cells, here, _ = opened
    claim = rows[0].headline
    for shifts, agrees in (((-0.04, 0.0, -0.03, -0.01), True), ((-0.02,) * 6, False), ((-0.2, -0.201, -0.199), False)):
        found = [replace(rows[0], headline=claim + shift) for shift in shifts]
        verdict = weigh_found(bundle, suite, rows[:1], 4, cells, found, here, "cpu")
        assert (verdict.agrees, verdict.cells[0].runs) == (agrees, len(shifts))


def test_cells_that_no_board_ranks_hide_none(opened, plugins):
    """A hundred cells of seeds that the tier does not have are never sampled; with nothing else nothing is verified."""
    bundle, suite, _, _, _, plan = opened
    (first, *_) = bundle.cells()
    more = [replace(first, key=f"{at:020x}", seed=100 + at) for at in range(100)]
    cells = bundle.read("cells")
    foreign = as_tables(more, "")["cells"]
    padded = replace(bundle, tables={**bundle.tables, "cells": concat_tables([cells, foreign])})
    assert candidates(padded, suite, plan) == candidates(bundle, suite, plan)
    assert len(candidates(padded, suite, plan)) == 4
    with pytest.raises(BundleError, match="there is nothing to compute again"):
        candidates(replace(bundle, tables={"cells": foreign}), suite, plan)


def test_all_cells_together_by_hand():
    """Seven of seven too high: 1 of 2⁷ sign changes is as far; a tenth of a tolerance or less is no matter."""
    assert chance_together([4.0] * 7) == 1 / 128
    assert chance_together([4.0] * 6) == 1 / 64 > 0.01
    assert chance_together([4.0, 0.0, 0.0, 4.0]) == 1 / 4
    assert chance_together([0.1] * 20) == chance_together([-4.0] * 20) == chance_together([]) == 1.0


def test_true_claims_are_refused_together_once_in_a_hundred_and_raised_ones_more_often():
    """1,000 bundles of 12 sampled cells that rounding moves by three points: true ones, and two points higher."""
    draws = np.random.default_rng(5)
    apart = draws.normal(0, 0.03, (1000, 12)) - draws.normal(0, 0.03, (1000, 12))
    refused = {
        points: sum(chance_together(list((one + points) / 0.005)) <= 0.01 for one in apart) for points in (0.0, 0.02)
    }
    print(f"refused together, of 1,000: {refused}")
    assert refused[0.0] <= 10 + 4 * math.sqrt(1000 * 0.01 * 0.99)
    assert refused[0.02] > 150


def test_claims_that_are_too_high_together_are_refused(opened):
    """Runs differ by more than the claims are raised, so that each cell for itself agrees; eight of them do not."""
    bundle, suite, rows, cells, here, _ = opened
    row, cell = rows[0], cells[rows[0].key]
    many = [replace(row, key=f"{at:020x}") for at in range(8)]
    planned = {one.key: replace(cell) for one in many}
    found = [replace(row, headline=row.headline + shift) for shift in (-0.02, 0.03, -0.03, 0.01, 0.02)]
    verdict = weigh_found(bundle, suite, many, 8, planned, found, here, "cpu")
    assert (verdict.disagreeing, verdict.together, verdict.agrees) == ([], 1 / 256, False)
    assert verdict.summary() == "DISAGREES: the 8 cells together are claimed too high (p 0.0039)"


def test_a_verdict_that_contradicts_itself_is_refused(opened):
    """It agrees while a cell does not; a cell that stands twice; no cell at all; a number that is none."""
    bundle, suite, rows, cells, here, _ = opened
    plain = weigh_found(bundle, suite, rows, 4, cells, found_of(rows), here, "cpu").model_dump(
        mode="json", by_alias=True
    )
    first = plain["cells"][0]
    for change in (
        {"cells": [{**first, "agrees": False, "reason": "it is off"}]},
        {"cells": [first, first]},
        {"cells": []},
        {"cells": [{**first, "claimed": float("nan")}]},
        {"cells": [{**first, "agrees": False}]},
    ):
        text = to_toml({key: value for key, value in {**plain, **change}.items() if value != []})
        (bundle.folder / "verdict.toml").write_text(text)
        with pytest.raises(BundleError, match=r"^verdict\.toml"):
            read_verdict(bundle.folder, bundle.manifest)


def test_a_board_says_what_the_verdict_says(opened):
    """Nobody verified it; what the verdict says; that it speaks of other results."""
    bundle, suite, rows, cells, here, _ = opened
    assert from_bundle(bundle)[0].facts["verdict"] == "nobody has verified it"
    verdict = weigh_found(bundle, suite, rows, 4, cells, found_of(rows), here, "cpu")
    write_verdict(bundle.folder, verdict)
    assert verdict_of(bundle) == "agrees: 4 of 4 cells were computed again, says verdict.toml"
    other = verdict.cells[0].model_copy(update={"claimed": 0.99})
    write_verdict(bundle.folder, verdict.model_copy(update={"cells": (other,)}))
    assert verdict_of(bundle) == "its verdict speaks of results that it does not have"


# -- real cells ----------------------------------------------------------------------------------------------


def test_two_points_more_are_caught_as_often_as_the_formula_says(tmp_path, plugins, records_of):
    """20 real cells, 3 of them raised, 4 sampled by 1,000 hashes: 1 − C(17,4)/C(20,4) = 0.5088, give or take 0.063."""
    path = tmp_path / "tiny.toml"
    text = TINY.replace("seeds = [0, 1]", f"seeds = {list(range(10))}").replace("steps = 20", "steps = 4")
    path.write_text(text.replace("log_every = 5", "log_every = 2") + SHARES)
    claimed, again = ([CellRecord.from_dict(one) for one in records_of(path, fleet=fleet)] for fleet in (4, 7))
    store, environment = Store(tmp_path / "results", create=True), environment_of(plugins)
    store.add(claimed, environment)
    folder = write_bundle(draft(store, read_suite(path), "smoke", plugins, "mine", "Ada"), tmp_path)
    honest, suite, plan = open_bundle(folder, plugins, str(path))
    cells = planned_for(honest.cells(), plan)
    assert weigh_found(honest, suite, honest.cells(), 20, cells, again, environment, "cpu").agrees
    raised = [row.key for row in honest.cells() if row.headline <= 0.98][:3]
    raise_results(folder, raised)
    bundle = read_bundle(folder, suite)
    rows = {row.key: row for row in bundle.cells()}
    caught = 0
    for number in range(1000):
        fields = {**to_plain(bundle.manifest), "who": f"Ada {number}"}
        picked = [rows[key] for key in sample(hash_of(fields), rows, 4)]
        verdict = weigh_found(bundle, suite, picked, 20, cells, again, environment, "cpu")
        assert {cell.key for cell in verdict.disagreeing} == set(raised) & {row.key for row in picked}
        caught += not verdict.agrees
    expected = chance(20, 3, 4)
    assert expected == pytest.approx(1 - 2380 / 4845)
    print(f"caught {caught / 1000:.3f}, expected {expected:.4f}")
    assert abs(caught / 1000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 1000)


def test_the_command_verifies_a_true_bundle_and_catches_a_raised_one(tmp_path, plugins, ticketbench, records_of):
    """Exit 0 and a verdict; after every result was raised by two points exit 1, and the verdict says which."""
    path = suite_file(tmp_path)
    path.write_text(path.read_text().replace("steps = 20", "steps = 4").replace("log_every = 5", "log_every = 2"))
    store = Store(tmp_path / "results", create=True)
    store.add([CellRecord.from_dict(one) for one in records_of(path)], environment_of(plugins))
    folder = write_bundle(draft(store, read_suite(path), "smoke", plugins, "mine", "Ada"), tmp_path / "out")
    words = (
        "verify",
        folder,
        "--suite",
        path,
        "--plugin",
        STRANGER,
        "--cells",
        "2",
        "--workers",
        "1",
        "--device",
        "cpu",
    )
    done = ticketbench(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 raised of 4 cells: 50.0 % to be caught by 2 samples" in done.stdout
    said = tomllib.loads((folder / "verdict.toml").read_text())
    assert (said["agrees"], [cell["difference"] for cell in said["cells"]]) == (True, [0.0, 0.0])
    raise_results(folder, [row.key for row in read_bundle(folder).cells()])
    done = ticketbench(*words)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DISAGREES: 2 of 2 cells" in done.stdout
    verdict = read_verdict(folder, read_bundle(folder).manifest)
    assert verdict is not None
    assert [(cell.runs, round(cell.difference or 0, 6)) for cell in verdict.cells] == [(6, -0.02), (6, -0.02)]


def test_the_command_without_cells_only_looks(tmp_path, plugins, ticketbench):
    """In order: exit 0 and no verdict. Spoilt: exit 2 and one line."""
    folder = tiny_bundle(tmp_path, plugins, tiny_store(tmp_path, plugins, record))
    words = ("verify", folder, "--suite", tmp_path / "tiny.toml", "--plugin", STRANGER, "--cells", "0")
    done = ticketbench(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine is in order; nothing was computed again" in done.stdout
    assert not (folder / "verdict.toml").exists()
    (folder / "cells.parquet").write_bytes(b"PAR1")
    done = ticketbench(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
