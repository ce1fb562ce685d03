"""`ticketbench submit`: a store becomes a bundle, the same one whenever it is made."""

from __future__ import annotations

import json
import shutil

import pytest
from board_bundles import HERE, record, set_value, suite_file, tiny_bundle, tiny_store
from places import STRANGER

from ticketbench.board.bundle.making import draft, write_bundle
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.errors import StoreError, UnknownNameError
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.store.schema import CellRecord
from ticketbench.suite.suite import read_suite


@pytest.fixture
def store(tmp_path, plugins):
    return tiny_store(tmp_path, plugins)


@pytest.fixture
def made(tmp_path, plugins, store):
    """A draft of what is in the store now."""
    suite = read_suite(suite_file(tmp_path))
    return lambda **more: draft(store, suite, "smoke", plugins, "mine", "Ada", **more)


def test_the_same_records_give_the_same_bytes(made, store, tmp_path, plugins):
    """Also from a store whose parts were written in another order, one cell at a time."""
    other = tiny_store(tmp_path / "other", plugins, lambda axes: None) if (tmp_path / "other").mkdir() is None else None
    cells = make_plan(read_suite(suite_file(tmp_path)), "smoke", plugins).cells
    for cell in reversed(cells):
        axes = describe(cell).as_row()
        other.add([CellRecord.from_dict({**axes, **record(axes)})], HERE)
    again = draft(other, read_suite(tmp_path / "tiny.toml"), "smoke", plugins, "mine", "Ada")
    assert dict(again.files) == dict(made().files)
    assert again.manifest == made().manifest


def test_a_bundle_is_written_once(made, tmp_path):
    """Whole, and no other file beside it; the same again changes nothing, another one is refused."""
    folder = write_bundle(made(), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write_bundle(made(), tmp_path / "out") == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    set_value(folder, "probes", "value", 0.75)
    with pytest.raises(BundleError, match="is there and holds other results"):
        write_bundle(made(), tmp_path / "out")


def test_what_is_left_out_and_missing_is_said(made, store, tmp_path, plugins):
    """Cells at another precision, an older record of the same question, a cell that is not the tier's."""
    suite = read_suite(suite_file(tmp_path))
    bf16 = make_plan(suite, "smoke", plugins, Selection(seeds=1), precision="bf16").cells
    foreign = make_plan(suite, "smoke", plugins, Selection(densities=(0.25,), seeds=1)).cells
    for cell, more in ((bf16[0], {}), (foreign[-1], {"status": "failed", "reason": "it broke", "headline": None})):
        axes = describe(cell).as_row()
        store.add([CellRecord.from_dict({**axes, **record(axes), **more})], HERE)
    old = next(row for row in store.read("cells").to_pylist() if (row["density"], row["precision"]) == (0.5, "fp32"))
    store.add([CellRecord(**{**old, "key": "0" * 20, "finished": old["finished"] + 9})], HERE)
    found = made()
    assert found.tables["cells"].num_rows == 4
    assert found.notes == [
        "left out: 1 cells at bf16 on cpu; a bundle has one setting: fp32 on cpu",
        "left out: 1 records of cells that were computed again by newer code",
        "left out: 1 cells that the tier does not have",
    ]
    assert made(precision="bf16").tables["cells"].num_rows == 1
    with pytest.raises(StoreError, match="no cell at that precision and device"):
        made(device_class="cuda")


def test_a_store_of_foreign_cells_alone_is_refused(tmp_path, plugins):
    """A bundle of nothing would be in order, and say nothing."""
    store = tiny_store(tmp_path, plugins, selection=Selection(densities=(0.25,), methods=("magnitude",)))
    with pytest.raises(StoreError, match="none of the store's 2 cells of tier smoke is one of the suite's"):
        draft(store, read_suite(suite_file(tmp_path)), "smoke", plugins, "mine", "Ada")


def test_missing_cells_are_counted(tmp_path, plugins):
    """Of the rows that are there, one of four."""
    store = tiny_store(
        tmp_path, plugins, lambda axes: None if (axes["row"], axes["seed"]) == ("dense", 1) else record(axes)
    )
    found = draft(store, read_suite(suite_file(tmp_path)), "smoke", plugins, "mine", "Ada")
    assert found.notes == ["1 cells of its rows are missing; a board sets incomplete rows apart"]


def test_wrong_names_are_one_message(store, tmp_path, plugins):
    """A name that leaves its folder, nobody as who, a tier that is not there, results that cannot be."""
    suite = read_suite(suite_file(tmp_path))
    for name, who, message in (("../mine", "Ada", "'name'"), ("mine", "", "'who'"), ("mine", "=1", "spreadsheet")):
        with pytest.raises(BundleError, match=message):
            draft(store, suite, "smoke", plugins, name, who)
    with pytest.raises(UnknownNameError, match="unknown tier 'large'"):
        draft(store, suite, "large", plugins, "mine", "Ada")


def test_the_command_makes_and_checks(ticketbench, store, tmp_path):
    """--check writes nothing; without it a bundle is there, which --check finds in order, and a spoilt one not."""
    words = ("submit", "--suite", "tiny.toml", "--tier", "smoke", "--plugin", STRANGER)
    suite_file(tmp_path)
    done = ticketbench(*words, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 cells, 8 curves, 4 probes, 1 environments" in done.stdout
    assert done.stdout.endswith("could be submitted; nothing was written\n")
    assert not (tmp_path / "leaderboards").exists()
    done = ticketbench(*words, "--name", "mine", "--who", "Ada & <b>co</b>", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    folder = tmp_path / "leaderboards" / "tiny" / "smoke" / "submissions" / "mine"
    assert (tmp_path / said["folder"], said["rows"]["cells"]) == (folder, 4)
    assert read_bundle(folder).manifest.hash == said["hash"]
    check = ("submit", "--check", folder, "--suite", "tiny.toml", "--plugin", STRANGER)
    done = ticketbench(*check)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "in order")
    (folder / "run.sh").write_text("rm -rf /")
    done = ticketbench(*check)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "unknown file 'run.sh'" in done.stderr


def test_a_command_that_lacks_something_says_what(ticketbench, store, tmp_path):
    """Options that are missing; a suite that is not installed."""
    done = ticketbench("submit", "--suite", "tiny.toml", "--tier", "smoke")
    assert done.returncode == 2
    assert "a bundle needs --name, --who" in " ".join(done.stderr.split())


def test_a_bundle_of_an_unknown_suite_is_one_message(ticketbench, tmp_path, plugins):
    """Its suite is looked up by name and never as a file; --suite gives one."""
    bundle = tiny_bundle(tmp_path, plugins)
    shutil.copy(tmp_path / "tiny.toml", tmp_path / "tiny")
    done = ticketbench("submit", "--check", bundle)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unknown suite 'tiny' in the bundle (--suite FILE, where it is not installed)" in done.stderr
