"""What a person sees of a run: how far it is, by a clock of the test's own, and the screen of a real terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from dataclasses import dataclass

import pytest
from command_line import command
from places import STRANGER

from ticketbench.cli.run_state import RunState
from ticketbench.cli.so_far import best_so_far, cell_in_words, place_of_record, rivals_of
from ticketbench.plan.cell import describe
from ticketbench.plan.cell_time import CellTime
from ticketbench.plan.cell_times import cell_times
from ticketbench.plan.estimate import estimate
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plan.speed import cpu_speed


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> RunState:
    """Four cells of ten seconds each, six of these training, on two workers that take four to start."""
    return RunState({f"k{at}": CellTime(60, 6.0, 4.0) for at in range(4)}, 2, 4.0, clock)


def finished(*keys: str) -> list[dict[str, object]]:
    return [{"key": key, "train_steps": 60} for key in keys]


def test_time_left_counts_the_start_and_what_is_not_training(state: RunState, clock: Clock):
    """By hand: before the first fleet, in the middle of its training, when all is trained, when all is done."""
    assert (state.share(), state.seconds_left(), state.workers_text()) == (0, 24.0, "0 of 2 workers busy: 2 loading")
    clock.now += 4
    assert (state.share(), state.seconds_left()) == (pytest.approx(8 / 48), 20.0)
    for fleet in "ab":
        state.move_on(fleet, "starting", 0, 2)
    clock.now += 5
    for fleet in "ab":
        state.move_on(fleet, "drawing", 100, 2)
    done, whole = state.work()
    assert (done, whole) == (pytest.approx(20.0), 40.0)  # 200 of 240 steps, which are 24 of 40 seconds
    assert state.rate() == 40
    assert state.workers_text() == "2 of 2 workers busy: 2 drawing"
    assert 5 < state.seconds_left() < 10  # ten by the plan, and twice as fast as that so far
    for fleet in "ab":
        state.move_on(fleet, "judging", 20, 2)
    assert state.work()[0] == pytest.approx(24.0)
    assert state.share() == pytest.approx((8 + 24) / 48)  # all is trained, nothing is judged
    before = state.seconds_left()
    clock.now += 60
    assert state.seconds_left() > before  # it takes longer than was thought


def test_who_is_busy(state: RunState, clock: Clock):
    """A worker without a fleet is loading while cells wait; one that is done with its last is idle."""
    state.move_on("a", "starting", 0, 2)
    assert state.workers_text() == "1 of 2 workers busy: 1 loading, 1 starting"
    state.move_on("b", "training", 10, 2)
    assert state.workers_text() == "2 of 2 workers busy: 1 starting, 1 training"
    for record in finished("k0", "k1", "k0"):
        state.finish(record)
    state.move_on("a", "ended", 0, 2)
    assert state.workers_text() == "1 of 2 workers busy: 1 training"
    assert state.work()[0] == 20.0
    clock.now += 10
    one_busy = state.seconds_left()
    state.move_on("c", "training", 0, 1)
    assert state.seconds_left() < one_busy
    for record in finished("k2", "k3"):
        state.finish(record)
    assert (state.share(), state.seconds_left()) == (1.0, 0.0)


def test_the_times_of_cells_add_up_to_the_estimate(tiny_suite, cells_of, plugins):
    """What one worker is expected to take is its start and all of its cells."""
    suite, cells = cells_of(tiny_suite(), methods=("imp", "dense"), seeds=3)
    plan = make_plan(suite, "smoke", plugins)
    fleets, resolver, speed = plan.fleets(cells, "cpu", 1), Resolver(plugins), cpu_speed()
    times, whole = cell_times(fleets, resolver, speed), estimate(fleets, resolver, speed, ["cpu"])
    assert [*times] == [cell.key for fleet in fleets for cell in fleet.cells]
    assert speed.start + sum(one.whole for one in times.values()) == pytest.approx(whole.seconds)
    assert sum(one.steps for one in times.values()) == whole.steps


def test_cells_and_the_best_rows_in_words(tiny_suite, cells_of):
    """Options are named where they tell cells apart; means are of the place where the latest cell belongs."""
    path = tiny_suite(
        ('["default"]', '["default", "he"]'),
        ('[{ name = "mlp", hidden = [8] }]', '["mlp", { name = "mlp", hidden = [8] }]'),
    )
    suite, cells = cells_of(path, methods=("dense", "magnitude", "snip", "random", "imp"))
    records = [describe(cell).as_row() | {"headline": 0.5, "status": "ok"} for cell in cells]
    rivals = rivals_of(cells)
    wanted = [one for one in records if "[8]" in one["model"] and one["initializer"].startswith("he")]
    assert cell_in_words(wanted[0], rivals) == "dense, blobs, mlp hidden=[8], he, density 1, seed 0"
    values = {"dense": 0.4, "magnitude": 0.6, "snip": 0.7, "random": 0.1, "imp": float("nan")}
    here = [one | {"headline": values[one["row"]] + 0.1 * one["seed"]} for one in wanted]
    others = [one for one in records if one not in wanted]
    assert {place_of_record(one) for one in here} == {place_of_record(here[0])}
    assert place_of_record(here[0]) not in {place_of_record(one) for one in others}
    assert best_so_far(here, suite, rivals) == (
        "best so far: snip 0.75 (2), magnitude 0.65 (2), dense 0.45 (2) and 1 more; "
        "mean accuracy (seeds), blobs, mlp hidden=[8], he, density 0.5"
    )
    assert best_so_far([one | {"headline": None} for one in here], suite, rivals) == ""
    upside = suite.model_copy(update={"headline": suite.headline.model_copy(update={"higher_is_better": False})})
    assert best_so_far(here, upside, rivals).startswith("best so far: random 0.15 (2), dense 0.45 (2), magnitude")


def test_a_run_in_a_pipe(tiny_suite, ticketbench, tmp_path):
    """A line at once, what the tier is for at the start and beside the results, and a line a cell with its names."""
    words = ("--plugin", STRANGER, "--workers", "1", "--method", "magnitude[scope=erk],dense", "--seeds", "1")
    done = ticketbench("run", tiny_suite(), *words)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"ticketbench \S+: planning .*tiny\.toml", lines[0])
    warning = "tier smoke only shows that everything runs; its numbers mean nothing"
    assert lines[2].startswith(warning)
    assert warning in done.stdout
    assert lines[4] == "0 of 1 workers busy: 1 loading"
    cells = "\n".join(sorted(re.sub(r"^\[\d/2\] ", "", line) for line in lines[5:]))
    assert re.fullmatch(
        r"dense, blobs, mlp, default, density 1, seed 0: ok accuracy [\d.]+\n"
        r"magnitude\[scope=erk\], blobs, mlp, default, density 0.5, seed 0: ok accuracy [\d.]+",
        cells,
    )


def test_a_run_in_a_terminal(tiny_suite, tmp_path):
    """A screen of its own: cells, share and time; what the workers do; the best rows; and at the end all of it."""
    words = ("run", tiny_suite(), "--plugin", STRANGER, "--workers", "1", "--store", tmp_path / "s")
    master, screen = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=screen, env=environment)
    os.close(screen)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # nobody holds the other end any more
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"0 of 4 cells .* \d+% after [\d.]+ s, about [\d.]+ s left", text)
    assert "0 of 1 workers busy: 1 loading" in text
    assert re.search(r"4 of 4 cells .* 100% after [\d.]+ s\s", text)
    assert re.search(r"best so far: .*; mean accuracy \(seeds\), blobs, density 0\.5", text)
