"""Checkpoints of real fleets: when they are made, when a fleet stops, and which files are of no use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from interrupted import checkpoint_in

from ticketbench.engine import checkpoint
from ticketbench.engine.checkpoint import Keeper, Stopped, ours
from ticketbench.engine.execute import execute
from ticketbench.engine.journal import Journal
from ticketbench.plan.resolve import Resolver
from ticketbench.store.checkpoints import CHECKPOINT_SUFFIX, Held, about, usable

LONG = (("steps = 20", "steps = 6000"), ("log_every = 5", "log_every = 2000"))


@pytest.fixture
def cells(tiny_suite, cells_of):
    """Four cells, quick or long."""

    def made(*changes):
        return cells_of(tiny_suite(*changes))

    return made


def result(records) -> list[tuple]:
    """What must not differ."""
    return sorted((one.key, one.status, one.headline, one.train_steps, one.train_flops, one.curves) for one in records)


def test_a_deadline_stops_a_fleet_in_time(cells, plugins, tmp_path):
    """Within the time, with a checkpoint and no record."""
    suite, chosen = cells(("steps = 20", "steps = 50000"), ("log_every = 5", "log_every = 20000"))
    file, finished = checkpoint_in(tmp_path), []
    end = time.time() + 3
    with pytest.raises(Stopped):
        execute(chosen, Resolver(plugins), suite.headline, keeper=Keeper(file, deadline=end), finished=finished.extend)
    assert time.time() < end
    assert (file.exists(), finished) == (True, [])


def test_the_next_call_goes_on(cells, plugins, tmp_path):
    """Fewer steps are left, the records say when the fleet first began, and are those of a run in one go."""
    suite, chosen = cells(("steps = 20", "steps = 800"), ("log_every = 5", "log_every = 300"))
    file, resolver, steps = checkpoint_in(tmp_path), Resolver(plugins), []
    keeper = Keeper(file, told_to_stop=iter([False] * 30 + [True] * 9).__next__)
    with pytest.raises(Stopped):
        execute(chosen, resolver, suite.headline, keeper=keeper)
    again, begun = Keeper(file, goes_on=True), time.time()
    found = execute(chosen, resolver, suite.headline, progress=lambda phase, taken: steps.append(taken), keeper=again)
    assert 0 < sum(steps) < 4 * 600
    assert {record.started < begun for record in found} == {True}
    assert not file.exists()
    assert result(found) == result(execute(chosen, resolver, suite.headline))


def test_a_fleet_is_held_after_so_much_work(cells, plugins, tmp_path, monkeypatch):
    """Every so many seconds, and removed when it is done; a minute where nothing is said."""
    suite, chosen = cells()
    sizes: list[int] = []
    save = Keeper.save

    def saved(self, run) -> None:
        save(self, run)
        sizes.append(checkpoint_in(tmp_path).stat().st_size)

    monkeypatch.setattr(Keeper, "save", saved)
    execute(chosen, Resolver(plugins), suite.headline, keeper=Keeper(checkpoint_in(tmp_path), every=0))
    assert len(sizes) > 8
    assert max(sizes) < 40_000
    assert [*checkpoint_in(tmp_path).parent.iterdir()] == []
    sizes.clear()
    assert Keeper().every == 60
    execute(chosen, Resolver(plugins), suite.headline, keeper=Keeper(checkpoint_in(tmp_path)))
    assert sizes == []


def test_a_disk_that_is_full_costs_a_line_and_no_cell(cells, plugins, tmp_path, monkeypatch):
    """The fleet goes on without a checkpoint."""
    suite, chosen = cells()
    lines: list[str] = []

    def full(*values, **words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    keeper = Keeper(checkpoint_in(tmp_path), every=0, tell=lines.append)
    assert {one.status for one in execute(chosen, Resolver(plugins), suite.headline, keeper=keeper)} == {"ok"}
    assert "No space left on device" in lines[0]


@pytest.fixture
def held(cells, plugins, tmp_path):
    """A checkpoint that is whole, with its cells and suite."""
    suite, chosen = cells(*LONG)
    keeper = Keeper(checkpoint_in(tmp_path), told_to_stop=iter([False] * 30 + [True] * 9).__next__)
    with pytest.raises(Stopped):
        execute(chosen, Resolver(plugins), suite.headline, keeper=keeper)
    return checkpoint_in(tmp_path), suite, chosen


def torn(content: bytes) -> bytes:
    return content[:-100]


def empty(content: bytes) -> bytes:
    return b""


def foreign(content: bytes) -> bytes:
    return b"PK\x03\x04 something else"


def another_engine(content: bytes) -> bytes:
    return content.replace(b'\\"engine\\": 1', b'\\"engine\\": 9')


@pytest.mark.parametrize("spoil", [torn, empty, foreign, another_engine])
def test_what_is_of_no_use_is_removed_with_a_line(held, plugins, spoil):
    """By the run that looks for checkpoints; a worker that is given such a file begins anew."""
    file, suite, chosen = held
    keys = {cell.key for cell in chosen}
    (whole,) = usable(file.parent, ours("cpu"), keys, ())
    assert (whole.name, {*whole.keys}, whole.seats) == ("fleet", keys, 4)
    content = file.read_bytes()
    file.write_bytes(spoil(content))
    assert file.read_bytes() != content
    lines: list[str] = []
    short = [cell for cell in chosen if cell.seed == 0][:1]
    keeper = Keeper(file, tell=lines.append, goes_on=True, told_to_stop=iter([False] * 9 + [True] * 9).__next__)
    with pytest.raises(Stopped):
        execute(short, Resolver(plugins), suite.headline, keeper=keeper)
    assert "is of no use" in lines[0]
    file.write_bytes(spoil(content))
    (line,) = usable(file.parent, ours("cpu"), keys, ())
    assert isinstance(line, str)
    assert "is of no use and was removed" in line
    assert not file.exists()


def test_which_checkpoints_a_run_goes_on_from(held):
    """Those whose cells it wants; of cells that are finished since one neighbour is enough; all finished: removed."""
    file, _, chosen = held
    keys = [cell.key for cell in chosen]
    there = about(file, ours("cpu"))
    assert [*usable(file.parent, ours("cpu"), keys, ())] == [there]
    assert [*usable(file.parent, ours("cpu"), keys[:1], keys[1:])] == [there]
    assert [*usable(file.parent, ours("cpu"), keys[:3], ())] == []
    assert file.exists()
    twin = file.with_name(f"twin{CHECKPOINT_SUFFIX}")
    twin.write_bytes(file.read_bytes())
    os.utime(file, (1, 1 + time.time() - 50))
    assert [*usable(file.parent, ours("cpu"), keys, ())] == [Held("twin", there.keys, 4)]
    assert [*usable(file.parent, ours("cpu"), [], keys)] == []
    assert [*file.parent.glob("*")] == []


def test_cells_of_plugins_that_have_changed_are_not_kept_for_ever(held):
    """Nobody wants them any more: after a month they go; and so does a file that was never completed."""
    file, _, _ = held
    half = file.with_name(".fleet.123.tmp")
    half.write_bytes(b"half")
    assert [*usable(file.parent, ours("cpu"), ["another"], ())] == []
    assert (file.exists(), half.exists()) == (True, True)
    long_ago = time.time() - 31 * 86400
    for path in (file, half):
        os.utime(path, (long_ago, long_ago))
    assert [*usable(file.parent, ours("cpu"), ["another"], ())] == []
    assert (file.exists(), half.exists()) == (False, False)


def test_another_device_or_torch_goes_its_own_way(held):
    """A line says which, and the file is removed."""
    file, _, chosen = held
    (line,) = usable(file.parent, {**ours("cpu"), "torch": "1.0"}, [cell.key for cell in chosen], ())
    assert "it was made with torch" in line
    assert not file.exists()


def test_a_journal_that_grows_too_large_is_given_up():
    """Beyond its bound nothing is kept."""
    journal = Journal(limit=1000)
    for _ in range(3):
        journal.note("step", 7, {})
    assert [entry[0] for entry in journal.entries] == ["step"] * 3
    journal.note("text", {str(number): number for number in range(100)}, {})
    assert (journal.entries, "1000 bytes" in journal.lost) == ([], True)


def test_reserves(monkeypatch):
    """A fleet stops when what is left is 1.5 s, the longest stretch of late, and half again a checkpoint's time."""
    keeper = Keeper(Path("unused"), deadline=time.time() + 100)
    assert not keeper.stops()
    keeper._longest, keeper._saving = 60.0, 20.0
    assert not keeper.stops()
    keeper._saving = 30.0
    assert keeper.stops()
