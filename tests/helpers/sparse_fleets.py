"""Small fleets under many masks, trained at their live weights or densely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch
from stepping import GOAL
from torch import Tensor
from walk import Walk

from ticketbench import Shapes
from ticketbench.engine import sparse_form
from ticketbench.engine.bench import Bench
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.train import Log, train_to_the_end
from ticketbench.plugin.request import Train
from ticketbench.testing import Blobs
from ticketbench.testing.fleet import bench_of
from ticketbench.testing.parts import Parts
from ticketbench_tasks.mazes import Mazes
from ticketbench_tasks.prefix_sums import PrefixSums

MASKS = ("0.5", "0.2", "0.05", "0.01", "empty rows", "an empty layer", "a single weight")
"""How much of each weight is left, in words."""

IMAGES = Blobs(Shapes((1, 8, 8), 3))
SEQUENCES = Blobs(Shapes((5, 4), 3))
STRINGS = PrefixSums(length=9, examples=40, test_examples=12, validation=0.0)
MAZES = Mazes(size=3, scale=1, examples=12, test_examples=4, validation=0.0)


@dataclass(frozen=True)
class ToldWalk(Walk):
    """It says what its loss is."""

    cross_entropy = "mean"


def mask_of(words: str, shape: tuple[int, ...], number: int, source: torch.Generator) -> Tensor:
    """The mask of the layer of this number."""
    drawn = torch.rand(shape, generator=source)
    if words == "empty rows":
        drawn[1::2] = 1
    if words == "an empty layer" and number == 1:
        return torch.zeros(shape, dtype=torch.bool)
    if words == "a single weight":
        return drawn == drawn.min() if number == 0 else drawn < 0.3
    return drawn < (float(words) if words[0].isdigit() else 0.3)


def masked(bench: Bench, words: Sequence[str]) -> Bench:
    """The bench, each member under its mask."""
    for member, kind in enumerate(words):
        source = torch.Generator().manual_seed(member)
        shapes = {name: tuple(mask.shape[1:]) for name, mask in bench.stack.masks.items()}
        masks = {name: mask_of(kind, shape, at, source) for at, (name, shape) in enumerate(shapes.items())}
        bench.stack.set_mask(member, masks)
    return bench


def fleet(parts: Parts, engine: str, words: Sequence[str] = MASKS) -> Bench:
    """A member for each mask."""
    return masked(bench_of(replace(parts, engine=engine), (0.5,), tuple(range(len(words)))), words)


def train(bench: Bench, until: int | None = None, members: Sequence[int] = (), request: Train | None = None) -> Log:
    """Train members, or all, as the engine would; which engine is the bench's to say."""
    seats = list(members) or list(range(len(bench.stack)))
    courses = [bench.course(member, until=until) for member in seats]
    stepper, given, copied = bench.steppers.for_members(seats, [request or Train()] * len(seats), courses)
    assert isinstance(stepper, SparseStepper) == (bench.stage.network.sparse is not None)
    log = train_to_the_end(stepper, bench.stage.data, given, GOAL)
    if copied:
        bench.stack.put(seats, stepper.stack)
    return log


def curves(log: Log) -> dict[tuple[int, str, int], float]:
    """(member, metric, step) -> value."""
    return {point[:3]: point[3] for point in log.points}


@contextmanager
def whatever_is_left() -> Iterator[None]:
    """Every network that has a tape is computed at its live weights, however many these are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_form, "is_sparse", lambda tape, densities: True)
        yield
