"""Claims: runs that share a store share the work, however they end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ticketbench.errors import StoreError
from ticketbench.plan.cell import Cell, describe
from ticketbench.store.locks import Claims
from ticketbench.store.schema import Environment
from ticketbench.store.store import Store

ENVIRONMENT = Environment(environment="e1")

CLAIMANT = """
import sys
from ticketbench.store.locks import Claims
from ticketbench.store.store import Store

address, *keys = sys.argv[1:]
claims = Claims(Store(address))
taken = claims.take(keys)
print(*taken, flush=True)
sys.stdin.read()
claims.close()
"""
"""A run that takes cells and then works until its input ends."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


@pytest.fixture
def cells(tiny_suite, cells_of) -> tuple[Cell, ...]:
    return cells_of(tiny_suite(("seeds = [0, 1]", f"seeds = {[*range(30)]}")))[1]


@pytest.fixture
def claimant(store):
    """Start another run, a process of its own, that takes some cells; what it got is read from it."""
    running = []

    def start(cells):
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMANT, store.address, *(cell.key for cell in cells)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, process.stdout.readline().split()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def keys(cells) -> list[str]:
    return [cell.key for cell in cells]


def finish(store, cells, status="ok", attempt=1):
    """Write records, as a run does when a fleet is done."""
    store.add([replace(describe(cell), status=status, attempt=attempt) for cell in cells], ENVIRONMENT)


def test_two_runs_never_both_get_a_cell(store, cells):
    """What one has taken, the other does not get; what neither wants stays free."""
    mine, theirs = Claims(store), Claims(Store(store.address))
    assert mine.take(keys(cells[:3])) == keys(cells[:3])
    assert theirs.take(keys(cells[:5])) == keys(cells[3:5])
    assert mine.others_now() == {*keys(cells[3:5])}
    assert theirs.others_now() == {*keys(cells[:3])}
    assert mine.take(keys(cells[3:5])) == []
    mine.close()
    theirs.close()


def test_runs_that_grab_at_once_share_every_cell_once(store, cells):
    """Six runs take from the same sixty cells in orders of their own: together they have each exactly once."""
    taken: list[list[str]] = [[] for _ in range(6)]
    gate = threading.Barrier(len(taken))
    crowd = [Claims(Store(store.address)) for _ in taken]

    def grab(at: int) -> None:
        mixed = random.Random(at).sample(cells, len(cells))
        gate.wait()
        for start in range(0, len(mixed), 4):
            taken[at].extend(crowd[at].take(keys(mixed[start : start + 4])))

    threads = [threading.Thread(target=grab, args=(at,)) for at in range(len(taken))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for claims in crowd:
        claims.close()
    assert sorted(key for part in taken for key in part) == sorted(keys(cells))


def test_a_cell_of_this_run_is_given_out_again(store, cells):
    """A fleet that was lost is computed again by the run that claimed it."""
    claims = Claims(store)
    claims.take(keys(cells[:2]))
    assert claims.take(keys(cells[:2])) == keys(cells[:2])
    claims.close()


def test_finished_cells_are_not_given_out(store, cells):
    """Even if another run finished them after this one made its plan."""
    claims = Claims(store)
    finish(Store(store.address), cells[:2], "failed")
    assert claims.take(keys(cells[:3])) == keys(cells[2:3])
    claims.close()


def test_finished_cells_that_shall_be_computed_again_are(store, cells):
    """--retry: those in `again`, unless another run has them."""
    finish(store, cells[:3], "failed")
    mine, theirs = Claims(store), Claims(Store(store.address))
    assert mine.take(keys(cells[:3]), frozenset(keys(cells[:2]))) == keys(cells[:2])
    assert theirs.take(keys(cells[:3]), frozenset(keys(cells[:2]))) == []
    mine.close()
    theirs.close()


def test_a_run_that_ends_lets_go_of_its_cells(store, cells):
    """Claims that were not finished are free again; no file is left."""
    mine, theirs = Claims(store), Claims(store)
    mine.take(keys(cells[:2]))
    mine.close()
    assert theirs.others_now() == set()
    assert theirs.take(keys(cells[:2])) == keys(cells[:2])
    theirs.close()
    theirs.close()
    assert [*(store.local / "claims").glob("*.claims")] == []


def test_a_living_process_keeps_its_cells_and_a_killed_one_loses_them(store, cells, claimant):
    """kill -9: the system lets go of the lock, and the next look removes the file."""
    process, theirs = claimant(cells[:3])
    assert theirs == keys(cells[:3])
    claims = Claims(store)
    assert claims.take(keys(cells[:4])) == keys(cells[3:4])
    assert claims.others_now() == {*keys(cells[:3])}

    process.send_signal(signal.SIGKILL)
    process.wait()
    assert claims.take(keys(cells[:4])) == keys(cells[:4])
    assert claims.others_now() == set()
    assert len([*(store.local / "claims").glob("*.claims")]) == 1
    claims.close()


def test_a_killed_process_loses_its_cells_though_its_children_live(store, cells):
    """Workers that are still ending do not inherit the lock of the run that started them."""
    script = CLAIMANT.replace(
        "print(", "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nprint(child.pid, "
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.address, cells[0].key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child, key = process.stdout.readline().split()
    try:
        process.kill()
        process.wait()
        os.kill(int(child), 0)  # it lives
        claims = Claims(store)
        assert claims.take(keys(cells[:1])) == [key]
        claims.close()
    finally:
        os.kill(int(child), signal.SIGKILL)
        process.stdin.close()
        process.stdout.close()


def test_three_processes_share_the_cells(store, cells, claimant):
    """Real processes on one store: each key goes to one of them."""
    taken = [claimant(cells[start : start + 30])[1] for start in (0, 20, 30)]
    assert [len(part) for part in taken] == [30, 20, 10]
    assert sorted(key for part in taken for key in part) == sorted(keys(cells))


def test_a_full_disk_is_a_store_error_and_not_a_claim(store, cells):
    """What could not be written down was not taken; the claims still close."""
    folder = store.local / "claims"
    folder.mkdir()
    (folder / "full.claims").symlink_to("/dev/full")
    claims = Claims(store, "full")
    with pytest.raises(StoreError, match=r"cannot write claims to .*: No space left on device\. Give --store"):
        claims.take(keys(cells[:2]))
    claims.close()
    assert not (folder / "full.claims").is_symlink()
    assert Path("/dev/full").exists()
    other = Claims(store)
    assert other.take(keys(cells[:2])) == keys(cells[:2])
    other.close()


def test_a_folder_that_cannot_hold_claims_is_a_store_error(store):
    """A file where the folder of claims should be."""
    (store.local / "claims").write_text("")
    with pytest.raises(StoreError, match="cannot write claims to"):
        Claims(store)
