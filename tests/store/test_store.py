"""The store: what goes in comes out, and nothing that stops a run leaves it unreadable."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plain_records import AXES, plain

from ticketbench.errors import StoreError
from ticketbench.store.locks import Claims
from ticketbench.store.schema import MARKER, SCHEMA_VERSION, CellRecord, Environment
from ticketbench.store.store import Store
from ticketbench.store.tables import SCHEMAS, TABLES, environments_of

ENVIRONMENT = Environment(
    environment="e1",
    ticketbench="0.1.0",
    commit="c0ffee",
    dirty=True,
    python="3.12.1",
    torch="2.13.0",
    numpy="2.1.0",
    plugins="a 1, b 2",
    system="Linux",
    processor="abacus",
    cores=2,
    memory=2**40,
    accelerators="",
    threads=1,
)


def record(key: str, status: str = "ok", **more) -> CellRecord:
    """A finished cell, as short as one may be."""
    return plain(key, status=status, **{"headline": 0.5, **more})


def full_record() -> CellRecord:
    """A cell with a value in every column."""
    values = {str: "text of {}", float: 0.1 + 0.2, int: 2**40}
    filled = {one.name: values[one.type] for one in TABLES["cells"]}
    named = {name: value.format(name) if isinstance(value, str) else value for name, value in filled.items()}
    return CellRecord(**{**named, "key": "k1", "attempt": 1, "environment": "e1"})


def entries(store: Store) -> set[str]:
    """The finished files of a store, relative to it."""
    assert store.local is not None
    return {str(path.relative_to(store.local)) for path in store.local.rglob("*.parquet") if path.name[0] != "."}


def disk_is_full(*arguments, **more):
    """What a system call says on a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


# -- round trips ---------------------------------------------------------------------------------------------


def test_every_column_comes_back_as_it_went_in(store):
    """Texts, whole numbers above 32 bits and floats, to the last bit, after the store is opened anew."""
    store.add([full_record()], ENVIRONMENT)
    again = Store(store.address)
    assert again.read("cells").to_pylist() == [full_record().as_row()]
    assert environments_of(again.read("environments")) == [ENVIRONMENT]
    assert again.records(["k1"]) == [full_record()]


@pytest.mark.parametrize("table", SCHEMAS)
def test_an_empty_store_has_every_table_with_its_types(store, table):
    """Nothing was finished yet: no rows, but all columns."""
    assert store.read(table).schema == SCHEMAS[table]
    assert store.read(table).num_rows == 0


def test_what_a_record_lacks_is_null_and_not_invented(store):
    """A failed cell has no headline, no density and no steps."""
    store.add([plain("k1", status="failed", reason="it broke")], ENVIRONMENT)
    (row,) = store.read("cells").to_pylist()
    known = {name: value for name, value in row.items() if value not in (None, "")}
    said = {"key": "k1", "attempt": 1, "status": "failed", "reason": "it broke", "environment": "e1"}
    assert known == {**AXES, **said}
    assert [name for name, value in row.items() if value == ""] == [
        "scorer",
        "error",
        "headline_metric",
        "engine",
        "definition",
    ]
    assert store.records(["k1"]) == [plain("k1", status="failed", reason="it broke", environment="e1")]


def test_numbers_that_are_not_finite_come_back(store):
    """A diverged loss is NaN or infinite, and stays so."""
    curves = [("train", "", "loss", 0, "step", 1.0, value) for value in (math.nan, math.inf, -math.inf)]
    store.add([record("k1", headline=math.nan, curves=curves)], ENVIRONMENT)
    values = store.read("curves")["value"].to_pylist()
    assert math.isnan(store.records(["k1"])[0].headline)
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_a_text_that_is_no_utf_8_does_not_stop_the_store(store):
    """An error about a file with a strange name holds lone surrogates; the record is stored all the same."""
    store.add([record("k1", "failed", reason="no file b\udcffd.bin", error="straße 🙂")], ENVIRONMENT)
    (row,) = store.records(["k1"])
    assert (row.reason, row.error) == ("no file b?d.bin", "straße 🙂")


def test_records_come_in_the_order_asked_for(store):
    """Keys that the store does not have are left out."""
    store.add([record("k1"), record("k2")], ENVIRONMENT)
    store.add([record("k3")], ENVIRONMENT)
    assert [row.key for row in store.records(["k3", "none", "k1"])] == ["k3", "k1"]


def test_curves_and_probes_belong_to_their_cell(store):
    """Each row carries the key of its cell; the kept share of each layer is a probe."""
    point = ("test", "same", "accuracy", 0, "density", 0.5, 0.75)
    sight = ("gradient_norm", "drawn", "all", 3.5)
    store.add(
        [
            record("k1", curves=[point], layers=[("0.weight", 12, 48)]),
            record("k2", curves=[point, (*point[:-1], 0.25)], probes=[sight]),
        ],
        ENVIRONMENT,
    )
    curves, probes = (Store(store.address).read(table).to_pylist() for table in ("curves", "probes"))
    names = list(SCHEMAS["curves"].names)[2:]
    assert [(row["key"], tuple(row[name] for name in names)) for row in curves] == [
        ("k1", point),
        ("k2", point),
        ("k2", (*point[:-1], 0.25)),
    ]
    assert [tuple(row.values()) for row in probes] == [
        ("k1", 1, "layers", "trained", "0.weight", 0.25),
        ("k2", 1, *sight),
    ]


def test_an_environment_is_written_once(store):
    """Two fleets of one environment share its row; another environment has its own."""
    store.add([record("k1")], ENVIRONMENT)
    store.add([record("k2")], ENVIRONMENT)
    store.add([record("k3")], replace(ENVIRONMENT, environment="e2"))
    assert [row["environment"] for row in store.read("environments").to_pylist()] == ["e1", "e2"]
    assert [row.environment for row in store.records(["k1", "k2", "k3"])] == ["e1", "e1", "e2"]


# -- attempts ------------------------------------------------------------------------------------------------


def test_the_latest_attempt_of_a_cell_wins(store):
    """A second attempt replaces row, curves and probes of the first, in whichever order the parts are read."""
    point = ("train", "", "loss", 0, "step", 1.0)
    second = record("k1", attempt=2, curves=[(*point, 2.0)], probes=[("p", "drawn", "n", 2.0)])
    first = record("k1", "failed", attempt=1, curves=[(*point, 1.0)], probes=[("p", "drawn", "n", 1.0)])
    for one in (second, first, record("k2", curves=[(*point, 3.0)])):
        store.add([one], ENVIRONMENT)
    assert {row["key"]: (row["attempt"], row["status"]) for row in store.read("cells").to_pylist()} == {
        "k1": (2, "ok"),
        "k2": (1, "ok"),
    }
    assert sorted(store.read("curves")["value"].to_pylist()) == [2.0, 3.0]
    assert store.read("probes")["value"].to_pylist() == [2.0]
    assert store.statuses() == {"k1": "ok", "k2": "ok"}
    assert (store.attempts("k1"), store.attempts("k2"), store.attempts("k3")) == (2, 1, 0)


def test_statuses_reads_only_parts_that_it_has_not_seen(store, monkeypatch):
    """Looking again costs nothing that grows with the store."""
    read: list[list[str]] = []
    whole = Store._read_parts
    monkeypatch.setattr(
        Store,
        "_read_parts",
        lambda self, table, names, *more: read.append([*names]) or whole(self, table, names, *more),
    )
    store.add([record("k1")], ENVIRONMENT)
    assert store.statuses() == {"k1": "ok"}
    seen = {*store.parts("cells")}
    store.add([record("k2", "timeout")], ENVIRONMENT)
    assert store.statuses() == {"k1": "ok", "k2": "timeout"}
    assert store.statuses() == {"k1": "ok", "k2": "timeout"}
    assert [len(names) for names in read] == [1, 1, 0]
    assert set(read[1]) == {*store.parts("cells")} - seen


def test_two_stores_on_one_folder_see_what_the_other_writes(store):
    """No state but the files."""
    other = Store(store.address, create=True)
    store.add([record("k1")], ENVIRONMENT)
    assert other.statuses() == {"k1": "ok"}
    other.add([record("k2", "failed")], ENVIRONMENT)
    assert store.statuses() == other.statuses() == {"k1": "ok", "k2": "failed"}
    assert store.read("cells").num_rows == other.read("cells").num_rows == 2


# -- what a kill leaves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_half_written_part_does_not_count(store, monkeypatch, written):
    """A run killed before a part's `cells` file is there has left nothing, whichever files were finished."""
    store.add([record("k1", curves=[("train", "", "loss", 0, "step", 1.0, 0.5)])], ENVIRONMENT)
    tables, rename, done = [], os.replace, KeyboardInterrupt("a kill")

    def killed(source, target):
        if len(tables) == written:
            raise done
        tables.append(Path(target).parent.name)
        rename(source, target)

    monkeypatch.setattr(os, "replace", killed)
    lost = record("k2", curves=[("train", "", "loss", 0, "step", 1.0, 9.0)], probes=[("p", "drawn", "n", 9.0)])
    with pytest.raises(KeyboardInterrupt):
        store.add([lost], replace(ENVIRONMENT, environment="e2"))
    monkeypatch.undo()

    again = Store(store.address, create=True)
    assert tables == ["environments", "curves", "probes"][:written]
    assert again.statuses() == {"k1": "ok"}
    assert again.read("cells")["key"].to_pylist() == ["k1"]
    assert again.read("curves")["value"].to_pylist() == [0.5]
    assert again.read("probes").num_rows == 0
    again.add([lost], replace(ENVIRONMENT, environment="e2"))
    assert again.statuses() == {"k1": "ok", "k2": "ok"}
    assert again.read("probes")["value"].to_pylist() == [9.0]


@pytest.mark.parametrize("table", ["cells", "curves", "probes", "environments"])
def test_leftover_temporary_files_are_no_parts(store, table):
    """A kill in the middle of a write leaves a piece of a file, which nobody reads."""
    store.add([record("k1")], ENVIRONMENT)
    (store.local / table / ".0123.parquet.77.tmp").write_bytes(b"PAR1 and then nothing")
    (store.local / table / ".0123.parquet").write_bytes(b"")
    again = Store(store.address)
    assert again.statuses() == {"k1": "ok"}
    assert [name for name in again.parts(table) if "0123" in name] == []
    assert again.read(table).num_rows == store.read(table).num_rows


@pytest.mark.parametrize("moment", ["before the marker", "after the marker"])
def test_a_run_killed_while_it_makes_the_store_leaves_none_in_the_way(tmp_path, monkeypatch, moment):
    """Before and after the marker is in its place: the same command makes the store."""
    place, rename = tmp_path / "results", os.replace

    def killed(source, target):
        if moment == "after the marker":
            rename(source, target)
        raise KeyboardInterrupt("a kill")

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        Store(place, create=True)
    monkeypatch.undo()
    assert place.is_dir()
    (place / f".{MARKER}.77.tmp").write_text("a kill leaves what an error removes")
    store = Store(place, create=True)
    store.add([record("k1")], ENVIRONMENT)
    assert Store(place).statuses() == {"k1": "ok"}


def test_the_files_of_a_part_are_synced_before_they_get_their_names(store, monkeypatch):
    """Power lost after the rename must not leave a name without content."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.replace

    def syncs(handle):
        calls.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def replaces(source, target):
        calls.append(f"> {target}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", syncs)
    monkeypatch.setattr(os, "replace", replaces)
    store.add([record("k1")], ENVIRONMENT)
    (part,) = store.parts("cells")
    at = calls.index(f"> {store.local}/cells/{part}")
    assert calls[at - 1] == f"{store.local}/cells/.{part}.{os.getpid()}.tmp"
    assert calls[at + 1] == f"{store.local}/cells"
    assert [call for call in calls if call[0] == ">"][-1] == calls[at]


# -- what cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"PAR1", "half", "other"])
def test_a_damaged_part_is_named_with_what_to_do(store, damage):
    """An empty file, a stub, half a file, and a Parquet file of something else."""
    store.add([record("k1")], ENVIRONMENT)
    store.add([record("k2")], ENVIRONMENT)
    part = store.parts("cells")[0]
    path = store.local / "cells" / part
    kept = pq.read_table(store.local / "cells" / store.parts("cells")[1])["key"].to_pylist()
    if damage == "other":
        pq.write_table(pa.table({"fruit": ["pear"]}), path)
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "half" else damage)
    again = Store(store.address)
    for reading in (again.statuses, lambda: again.read("cells"), lambda: again.read("curves")):
        with pytest.raises(StoreError, match=rf"cells/{part} .* cannot be read: .*Move that file away"):
            reading()
    path.unlink()
    assert [*again.statuses()] == kept


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    """--store with a wrong folder must not sow files into it."""
    (tmp_path / "thesis.tex").write_text("\\begin{document}")
    with pytest.raises(StoreError, match=f"is not a ticketbench store: it has files but no {MARKER}"):
        Store(tmp_path, create=True)
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_refused_and_left_alone(store, create):
    """A store of a later ticketbench says which schema it has."""
    (store.local / MARKER).write_text(json.dumps({"format": "ticketbench store", "schema": SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match=f"has schema {SCHEMA_VERSION + 1}; this ticketbench reads up to"):
        Store(store.address, create=create)
    assert json.loads((store.local / MARKER).read_text())["schema"] == SCHEMA_VERSION + 1


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"{}", b"\xff\xfe", b'{"schema": "one"}'])
def test_a_damaged_marker_is_named(store, text):
    """The store says which file is wrong, with no traceback of a parser."""
    (store.local / MARKER).write_bytes(text)
    with pytest.raises(StoreError, match=f"{MARKER}|has schema one"):
        Store(store.address)


def test_a_file_is_no_store(tmp_path):
    """--store with the path of a file."""
    path = tmp_path / "results.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"results\.parquet is a file, not a store"):
        Store(path, create=True)
    assert path.read_bytes() == b"PAR1"


def test_reading_makes_no_store(tmp_path):
    """Only a run creates one."""
    with pytest.raises(StoreError, match="there is no store at"):
        Store(tmp_path / "results")
    assert os.listdir(tmp_path) == []


# -- what cannot be written ----------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    """A folder below a file can never be made, not even by root."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot open the store .*/file/results: .*Give --store a folder"):
        Store(tmp_path / "file" / "results", create=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_an_error_that_says_so(tmp_path):
    """A read-only folder."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        Store(tmp_path / "results", create=True)


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_leaves_the_store_as_it_was(store, monkeypatch, call):
    """The system says so at the sync or the rename: one clear error, and the store still opens."""
    store.add([record("k1")], ENVIRONMENT)
    before = entries(store)
    monkeypatch.setattr(os, call, disk_is_full)
    with pytest.raises(StoreError, match=r"cannot write .*: No space left on device\. Give --store"):
        store.add([record("k2")], ENVIRONMENT)
    monkeypatch.undo()
    assert [*store.local.rglob("*.tmp")] == []
    again = Store(store.address, create=True)
    assert entries(again) == before
    assert again.statuses() == {"k1": "ok"}
    again.add([record("k2")], ENVIRONMENT)
    assert store.statuses() == {"k1": "ok", "k2": "ok"}


def test_a_store_on_a_disk_that_fills_up_keeps_what_was_finished(tmp_path):
    """A real file system of 256 KiB: fleets are added until nothing fits any more."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        store = Store(disk / "results", create=True)
        added = []

        def fill() -> None:
            for number in range(200):
                store.add([record(f"k{number}", definition=os.urandom(4000).hex())], ENVIRONMENT)
                added.append(f"k{number}")

        with pytest.raises(StoreError, match="No space left on device") as caught:
            fill()
        assert added
        assert str(disk) in str(caught.value)
        again = Store(disk / "results", create=True)
        assert [*again.statuses()] == again.read("cells")["key"].to_pylist()
        assert {*again.statuses()} == {*added}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


# -- addresses -----------------------------------------------------------------------------------------------


def test_a_file_address_is_the_same_store_as_its_folder(store):
    """`file://` is local: written with rename and sync, shared with claims."""
    store.add([record("k1")], ENVIRONMENT)
    address = Store(store.local.as_uri(), create=True)
    assert address.statuses() == {"k1": "ok"}
    assert address.local == store.local
    address.add([record("k2")], ENVIRONMENT)
    assert store.records(["k1", "k2"]) == address.records(["k1", "k2"])
    assert [row.key for row in store.records(["k1", "k2"])] == ["k1", "k2"]


def test_an_address_of_pyarrow_without_a_folder_is_a_store_too(tmp_path):
    """An object store, here one in memory: no rename, no claims, the same tables."""
    remote = Store("mock:///bucket/results", create=True)
    assert remote.local is None
    remote.add([record("k1", curves=[("train", "", "loss", 0, "step", 1.0, 0.5)])], ENVIRONMENT)
    assert remote.statuses() == {"k1": "ok"}
    assert remote.read("curves")["value"].to_pylist() == [0.5]
    claims = Claims(remote)
    assert claims.others_now() == set()
    claims.close()


def test_an_address_that_nothing_can_open_is_an_error_that_says_so():
    """A misspelt scheme."""
    with pytest.raises(StoreError, match=r"cannot open the store flie://here: .*flie"):
        Store("flie://here", create=True)
