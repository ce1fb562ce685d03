"""Cells of many methods, schedules and lengths in one stack: each is what it would be on its own, bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from mixed_cells import HEADLINE, OPTIMIZERS, mixed_bench, mixed_cells
from previous_loop import carry_on

from ticketbench.engine import replay, stepper
from ticketbench.engine import withheld as withheld_file
from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import FleetRun, until_of
from ticketbench.engine.life import whole_life
from ticketbench.engine.member import Member
from ticketbench.engine.rehearsal import Rehearsal
from ticketbench.engine.replay import Recorder
from ticketbench.engine.withheld import Withheld
from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.plugin.request import Train


class Ended:
    """What is left of a life."""

    def __init__(self, member: Member, bench: Bench) -> None:
        stack, at = bench.stack, member.index
        self.status = member.status
        self.curves = [(point.split, point.metric, point.x, point.value) for point in member.curves]
        self.headline = member.headline
        self.findings = list(member.trial.findings)
        self.tensors = {name: weight.clone() for name, weight in stack.weights(at).items()}
        self.tensors |= {f"mask of {name}": mask for name, mask in stack.mask(at).items()}
        for slot, state in stack.slots.items():
            self.tensors |= {f"{slot} of {name}": tensor[at].clone() for name, tensor in state.items()}


def together(cells: Sequence[Cell], seats: int = 0, recording: type[Recorder] | None = None) -> dict[str, Ended]:
    """All cells in one stack of so many seats (0: one for each), by the engine."""
    left: dict[str, Ended] = {}
    count = seats or len(cells)
    bench, resolver = mixed_bench(cells[:count], recording), Resolver(load_plugins())
    run = FleetRun(
        bench,
        HEADLINE,
        waiting=deque((cell, resolver.cast(cell.setting)) for cell in cells[count:]),
        leave=lambda members: left.update({member.cell.key: Ended(member, bench) for member in members}),
    )
    run.lead(lambda at, member: whole_life(at, member, False))
    assert len(bench.stack) == count
    return left


def alone(cell: Cell) -> Ended:
    """One cell on its own, trained by the loop that anyone would write."""
    bench = mixed_bench([cell])
    run = FleetRun(bench, HEADLINE)
    run.begin_life(lambda at, member: whole_life(at, member, False), 0, cell, bench.casts[0])
    (member,) = run.members
    while not member.status:
        run.advance(member)
        run.judge_what_waits()
        run.change_masks()
        if isinstance(member.request, Train):
            member.trial.enter(None)
            member.trial.set_out()
            assert until_of(member) <= member.trial.total_steps
            points, burst = carry_on(bench, member.request)
            for split, metric, step, value in points:
                member.curves.append(type_of_point(split, metric, member.round, step, value))
            member.request = None
            if burst:
                member.status = "diverged"
    return Ended(member, bench)


def type_of_point(split: str, metric: str, training: int, step: int, value: float):
    """A point of a curve over training steps."""
    from ticketbench.store.schema import CurvePoint

    return CurvePoint(split, "", metric, training, "step", float(step), value)


def assert_equal(mine: Ended, theirs: Ended, where: str) -> None:
    """The same to the last bit: weights, masks, slots, validations, headline, findings.

    The mean of a batch's losses is taken in an order that depends on how many members there are: the last digit of a
    point of the training curve is its own.
    """
    assert mine.status == theirs.status, where
    for (*point, value), (*expected, other) in zip(mine.curves, theirs.curves, strict=True):
        assert point == expected, where
        assert value == (pytest.approx(other, rel=1e-6) if point[1] == "loss" else other), f"{where}: {point}"
    assert mine.headline == theirs.headline or mine.headline != mine.headline, where
    assert mine.findings == theirs.findings, where
    if mine.status == "ok":  # what is not finite is no result
        for name, tensor in theirs.tensors.items():
            assert mine.tensors[name].equal(tensor), f"{where}: {name}"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_mixed_stack_is_what_each_of_its_cells_is_alone(tmp_path: Path, optimizer: str):
    """12 cells of 6 methods, one of which bursts: all as in a plain loop of one network."""
    cells = mixed_cells(tmp_path, optimizer)
    assert (len(cells), len({cell.setting.method.name for cell in cells})) == (12, 6)
    found = together(cells)
    assert sorted(found) == sorted(cell.key for cell in cells)
    assert [one.status for one in found.values()].count("diverged") == 1
    for cell in cells:
        # the norm of a gradient, too, is added up in an order of its own
        same = assert_close if "clip" in OPTIMIZERS[optimizer] else assert_equal
        same(found[cell.key], alone(cell), f"{cell.setting.row} at {cell.density}")


def assert_close(mine: Ended, theirs: Ended, where: str) -> None:
    """The same up to rounding: masks to the last place, and numbers nearly."""
    assert mine.status == theirs.status, where
    assert [point[:3] for point in mine.curves] == [point[:3] for point in theirs.curves], where
    for (*_, value), (*point, expected) in zip(mine.curves, theirs.curves, strict=True):
        tolerance = 0.01 if point[1] == "accuracy" else 2e-4 * abs(expected) + 1e-6  # a hundredth: two of 200 images
        assert abs(value - expected) <= tolerance, f"{where}: {point}"
    if mine.status == "ok":
        for name, tensor in theirs.tensors.items():
            if tensor.dtype == torch.bool:
                assert mine.tensors[name].equal(tensor), f"{where}: {name}"
            else:
                torch.testing.assert_close(mine.tensors[name], tensor, rtol=2e-3, atol=2e-4, msg=f"{where}: {name}")


@pytest.mark.parametrize("optimizer", ["clipped adam"])
def test_a_cell_does_not_depend_on_its_place_or_its_neighbours(tmp_path: Path, optimizer: str):
    """Three seats for twelve cells, in another order: who ends makes room, and nothing but rounding changes."""
    cells = mixed_cells(tmp_path, optimizer)
    expected = together(cells)
    found = together([*reversed(cells)], seats=3)
    assert sorted(found) == sorted(expected)
    for cell in cells:
        assert_close(found[cell.key], expected[cell.key], f"{cell.setting.row} at {cell.density}")


@pytest.mark.parametrize(("optimizer", "seats"), [("momentum", 5), ("clipped adam", 0)])
def test_replayed_steps_are_those_that_are_launched(tmp_path: Path, optimizer: str, seats: int, monkeypatch):
    """Recorded once as operations on the device alone and replayed: the same cells, up to rounding."""
    monkeypatch.setattr(replay, "SEVERAL", 3)
    cells = mixed_cells(tmp_path, optimizer)
    expected = together(cells)
    found = together(cells, seats, Rehearsal)
    assert sorted(found) == sorted(expected)
    for cell in cells:
        assert_close(found[cell.key], expected[cell.key], f"{cell.setting.row} at {cell.density}")


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_products_that_the_update_takes_are_gradients(tmp_path: Path, optimizer: str, monkeypatch):
    """Linear layers withhold them wherever nobody else wants them: the same cells, up to rounding."""
    withheld: list[set[str]] = []

    class Noted(Withheld):
        def __init__(self, weights, watching=False):
            super().__init__(weights, watching)
            if not watching:
                withheld.append(set(weights))

    monkeypatch.setattr(replay, "SEVERAL", 3)
    monkeypatch.setattr(withheld_file, "Withheld", Noted)
    cells = [cell for cell in mixed_cells(tmp_path, optimizer) if cell.setting.method.name != "snfs"]
    expected = together(cells, recording=Rehearsal)
    assert withheld == []
    monkeypatch.setattr(stepper, "updates_take_products", lambda device: True)
    found = together(cells, recording=Rehearsal)
    assert withheld == [{"1.weight", "3.weight", "5.weight"}]
    for cell in cells:
        assert_close(found[cell.key], expected[cell.key], f"{cell.setting.row} at {cell.density}")
