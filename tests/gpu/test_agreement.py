"""What CUDA and the CPU disagree about is found: here between two members on a CPU, one of which is spoilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.gpu import agreement
from benchmarks.gpu.agreement import (
    FIRST,
    Tally,
    apart,
    at_initialization,
    differing_weights,
    first_steps,
    in_turns,
    whole_runs,
)
from benchmarks.gpu.machine import CPU, Machine
from benchmarks.gpu.stand_ins import StandInResolver
from benchmarks.gpu.suites import Tier, tier_of
from ticketbench.engine.execute import execute
from ticketbench.plan.cell import Cell
from ticketbench.plugin.loading import Plugins


@pytest.fixture(scope="module")
def tier(plugins: Plugins) -> Tier:
    """A suite whose rows draw in several ways."""
    return tier_of("gradflow", "smoke", plugins, StandInResolver(plugins))


def row(tier: Tier, name: str) -> list[Cell]:
    """The cells of a row."""
    return next(cells for cells in tier.settings() if cells[0].setting.row == name)


@pytest.mark.parametrize("spoilt", ["", "mask", "loss", "status"])
def test_a_row_that_differs_is_a_mismatch(tier: Tier, monkeypatch: pytest.MonkeyPatch, spoilt: str):
    """One weight of a mask, one loss by more than rounding, one status; and nothing where nothing was spoilt."""

    def spoiling(device: torch.device, recording: Any, tier: Tier, cells: Sequence[Cell]) -> Any:
        members = first_steps(device, None, tier, cells)
        if recording is not None and spoilt:
            member = members[0]
            assert member.ticket is not None
            if spoilt == "mask":
                next(iter(member.ticket.mask.values())).flatten()[:1].logical_not_()
            elif spoilt == "loss":
                point = member.curves[0]
                member.curves[0] = point._replace(value=point.value * (1 + 2 * FIRST))
            else:
                member.status = "diverged"
        return members

    monkeypatch.setattr(agreement, "first_steps", spoiling)
    tally = Tally("gradflow")
    at_initialization(Machine(rehearsal=True), tier, row(tier, "snip"), tally)
    assert len(tally.mismatches) == (1 if spoilt else 0), tally.mismatches
    assert (tally.differing, tally.statuses) == (int(spoilt == "mask"), int(spoilt == "status"))
    assert (tally.first > FIRST) == (spoilt == "loss")
    assert len(tally.rows) == 1


def test_rows_that_train_before_they_have_a_ticket_are_left_to_whole_runs(tier: Tier, plugins: Plugins):
    """Gradual pruning has no mask at initialization, and late rewinding has no step to go back to in few steps."""
    tally = Tally("gradflow")
    for name in ("prune_2", "solutions_1"):
        at_initialization(Machine(rehearsal=True), tier, row(tier, name), tally)
    other = tier_of("lth", "smoke", plugins, StandInResolver(plugins))
    at_initialization(Machine(rehearsal=True), other, row(other, "imp_late"), tally)
    assert (tally.rows, tally.masks, tally.mismatches) == (set(), 0, [])


@pytest.mark.parametrize("spoilt", ["", "curve", "status", "failure"])
def test_whole_runs_are_compared(tier: Tier, monkeypatch: pytest.MonkeyPatch, spoilt: str):
    """The first point of a curve, and statuses; a cell that fails on both is a mismatch, too."""
    computed: list[list[Any]] = []

    def spoiling(*given: Any, **words: Any) -> Any:
        records = execute(*given, **words)
        second = bool(computed)
        computed.append(records)
        if spoilt == "curve" and second:
            far = [point._replace(value=point.value * 1.1) for point in records[0].curves]
            records = [replace(records[0], curves=tuple(far)), *records[1:]]
        elif spoilt == "failure" or (spoilt == "status" and second):
            records = [replace(records[0], status="failed" if spoilt == "failure" else "collapsed"), *records[1:]]
        return records

    monkeypatch.setattr(agreement, "execute", spoiling)
    tally = Tally("gradflow")
    whole_runs(Machine(rehearsal=True), tier, row(tier, "dense"), tally)
    assert len(computed) == 2
    assert len(tally.mismatches) == (1 if spoilt else 0), tally.mismatches
    assert tally.statuses == int(spoilt in ("status", "failure"))
    assert tally.cells == len(row(tier, "dense"))


def test_losses_of_the_first_steps_are_all_there(tier: Tier):
    """One a step, whatever the suite says of logging."""
    members = first_steps(CPU, None, tier, row(tier, "dense"))
    assert [len(agreement.train_losses(member.curves)) for member in members] == [agreement.STEPS] * len(members)


def test_numbers_and_masks_apart():
    """Shares of the second; infinities are equal to one another only; weights are counted over layers."""
    assert apart(1.5, 1.0) == 0.5
    assert apart(float("inf"), float("nan")) == 0.0
    assert apart(1.0, float("nan")) == float("inf")
    one = {"a": torch.tensor([True, False]), "b": torch.tensor([True])}
    other = {"a": torch.tensor([False, True]), "b": torch.tensor([True])}
    assert differing_weights(one, other) == 2
    with pytest.raises(ValueError, match="other layers"):
        differing_weights(one, {"a": one["a"]})


def test_suites_take_turns(tier: Tier):
    """What is cut off at the end is missing of all of them."""
    cells = [row(tier, "dense"), row(tier, "snip")]
    assert list(in_turns({"x": cells, "y": cells[:1]})) == [("x", cells[0]), ("y", cells[0]), ("x", cells[1])]
