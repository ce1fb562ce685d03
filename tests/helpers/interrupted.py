"""Fleets that are interrupted at pauses, and go on from what was written down, with nothing else left of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.checkpoint import Keeper, Stopped
from ticketbench.engine.fleet_run import FleetRun
from ticketbench.engine.fleet_state import cells_at_seats, go_on_from
from ticketbench.engine.life import whole_life
from ticketbench.engine.member import Member
from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Headline

CPU = torch.device("cpu")
ACCURACY = Headline(metric="accuracy")


@dataclass
class Interrupter(Keeper):
    """Stops a fleet at the pauses of some numbers, counted from one over all runs."""

    at: Callable[[int], bool] = lambda number: number % 2 == 0
    """Not at two in a row: a fleet that goes on at a pause is asked at once, and shall not stop where it stands."""
    asked: int = 0
    stopped: int = 0
    _wanted: bool = False

    def due(self) -> bool:
        if not self._wanted:
            self.asked += 1
            self._wanted = self.at(self.asked)
        return self._wanted

    def use(self, run: FleetRun) -> None:
        self._wanted = False
        self.stopped += 1
        self.save(run)
        self.goes_on = True
        raise Stopped


@dataclass
class Left:
    """What is left of a life, to the last bit."""

    status: str
    curves: list[tuple[Any, ...]]
    points: list[tuple[Any, ...]]
    findings: list[Any]
    numbers: tuple[Any, ...]
    tensors: dict[str, torch.Tensor] = field(repr=False)

    @classmethod
    def of(cls, member: Member, bench: Bench) -> Left:
        stack, at = bench.stack, member.index
        stack.bring()
        tensors = {name: weight.clone() for name, weight in stack.weights(at).items()}
        tensors |= {f"buffer {name}": part.clone() for name, part in stack.statistics(at).items()}
        tensors |= {f"mask {name}": mask for name, mask in stack.mask(at).items()}
        tensors |= {f"drawn {name}": mask for name, mask in member.drawn.items()}
        for slot, state in stack.slots.items():
            tensors |= {f"{slot} {name}": tensor[at].clone() for name, tensor in state.items() if name in stack.masks}
        ticket, solution = member.ticket, member.solution
        tensors |= {} if ticket is None else {f"ticket {name}": part for name, part in ticket.weights.items()}
        tensors |= {} if solution is None else {f"solution {name}": part for name, part in solution.weights.items()}
        spent = member.trial.spent
        numbers = (repr(member.headline), member.reason, member.round, member.train_steps, spent.steps, spent.flops)
        numbers += (member.train_flops, member.draw_flops, member.trial.trainings)
        numbers += (member.headline_x, member.sweep_best, member.sweep_last, member.overthinking)
        curves = [(*point[:-1], repr(point[-1])) for point in member.curves]
        points = [(*point[:-1], repr(point[-1])) for point in member.trial.looks.points]
        return cls(member.status, curves, points, list(member.trial.findings), numbers, tensors)


def assert_same(found: dict[str, Left], expected: dict[str, Left]) -> None:
    """The same cells, each to the last bit."""
    assert sorted(found) == sorted(expected)
    for key, mine in expected.items():
        theirs = found[key]
        assert (theirs.status, theirs.numbers) == (mine.status, mine.numbers), key
        assert theirs.curves == mine.curves, key
        assert theirs.points == mine.points, key
        assert list(map(repr, theirs.findings)) == list(map(repr, mine.findings)), key
        assert theirs.tensors.keys() == mine.tensors.keys(), key
        for name, tensor in mine.tensors.items():
            assert tensor.equal(theirs.tensors[name]) or mine.status != "ok", f"{key}: {name}"


@dataclass
class Runs:
    """Runs of a fleet's cells, one after the other, until all have ended."""

    cells: Sequence[Cell]
    casts: Sequence[Cast]
    headline: Headline = ACCURACY
    seats: int = 0
    keep: bool = False
    left: dict[str, Left] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """What began anew."""

    @classmethod
    def of_plan(cls, cells: Sequence[Cell], plugins: Plugins, seats: int = 0, keep: bool = False) -> Runs:
        """Runs of planned cells."""
        resolver = Resolver(plugins)
        return cls(cells, [resolver.cast(cell.setting) for cell in cells], seats=seats, keep=keep)

    @classmethod
    def of_bench(cls, bench: Bench) -> Runs:
        """Runs of what a bench was made of."""
        return cls(bench.cells, bench.casts)

    def undisturbed(self) -> dict[str, Left]:
        """All in one go, without checkpoints."""
        self.run(Keeper())
        return self.left

    def interrupted(self, keeper: Keeper) -> dict[str, Left]:
        """Again and again from the checkpoint."""
        while True:
            try:
                self.run(keeper)
            except Stopped:
                continue
            keeper.forget()
            return self.left

    def run(self, keeper: Keeper) -> None:
        """One run, from the checkpoint if there is one."""
        by_key = {cell.key: one for cell, one in zip(self.cells, self.casts, strict=True)}

        def cast(cell: Cell) -> Cast:
            return by_key[cell.key]

        def begin(bench: Bench, member: Member) -> Any:
            return whole_life(bench, member, self.keep)

        held = keeper.held("cpu")
        count = self.seats or len(self.cells)
        cells = self.cells[:count] if held is None else cells_at_seats(held)
        bench = Bench(cells, [cast(cell) for cell in cells], CPU)

        def leave(members: Sequence[Member]) -> None:
            self.left.update({member.cell.key: Left.of(member, bench) for member in members})

        waiting = deque((cell, cast(cell)) for cell in self.cells[count:])
        run = FleetRun(bench, self.headline, waiting=waiting, leave=leave, pauses=keeper)
        if held is None:
            run.lead(begin)
        else:
            self.lost += go_on_from(held, run, begin, cast)
            run.go_on(begin)


def checkpoint_in(folder: Path) -> Path:
    """A file for a checkpoint."""
    return folder / "checkpoints" / "fleet.checkpoint.safetensors"
