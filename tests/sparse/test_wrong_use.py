"""Callers who are wrong get an error that says so, and never memory that is none of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

import numpy as np
import pytest
import torch
from machines import needs_machine
from torch import Tensor

from ticketbench.sparse.code import INPUTS, TARGETS
from ticketbench.sparse.library import Rule
from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Rows, Runner
from ticketbench.sparse.tape import Tape, Value

pytestmark = needs_machine

SHAPES: dict[str, tuple[int, ...]] = {"w": (6, 5), "b": (6,), "v": (3, 6)}
EXAMPLES = 20
SGD = Rule(0, 0, 0, 0, 0, 0, 0, 0)
ADAM = Rule(1, 0.9, 0.999, 1e-8, 0, 0, 0, 0)
MOMENTUM = Rule(0, 0.9, 0, 0, 0, 0, 0, 0)


def tape(shapes: dict[str, tuple[int, ...]] = SHAPES) -> Tape:
    """Two layers."""
    found = Tape(dict(shapes))
    hidden = found.linear("w", found.inputs((shapes["w"][1],)), bias="b", relu=True)
    found.answer(found.linear("v", hidden))
    return found


def live(shapes: dict[str, tuple[int, ...]] = SHAPES, double: bool = False) -> Live:
    """All weights."""
    weights = {name: torch.ones(shape) for name, shape in shapes.items()}
    return Live(list(shapes), weights, {}, factor=lambda name: 1.0, double=double)


@dataclass
class Training:
    """Two steps of five examples, as they are right."""

    live: Live = field(default_factory=live)
    inputs: Tensor = field(default_factory=lambda: torch.ones(EXAMPLES, 5))
    targets: Tensor = field(default_factory=lambda: torch.zeros(EXAMPLES, dtype=torch.int64))
    batch: int = 5
    rule: Rule = field(default_factory=lambda: SGD)
    order: np.ndarray = field(default_factory=lambda: np.arange(10).reshape(2, 5))
    rates: np.ndarray = field(default_factory=lambda: np.full(2, 0.1))
    total: np.ndarray = field(default_factory=lambda: np.zeros(1, np.float32))
    arena: np.ndarray | None = None
    rows: dict[int, Tensor] | None = None

    def run(self, way: str = "") -> float:
        """The sum of the losses."""
        runner = Runner.of(tape(), 16, "train", way=way)
        given = {INPUTS: self.inputs, TARGETS: self.targets} if self.rows is None else self.rows
        rows = {number: Rows(tensor, True) for number, tensor in given.items()}
        arena = runner.arena() if self.arena is None else self.arena
        steps = (self.rule, self.order, self.rates, 0, self.total, arena)
        runner.train(self.live, rows, self.batch, *steps)
        return float(self.total[0])


def test_as_it_is_right():
    """What the others change a single thing of."""
    assert 0 < Training().run() < 10


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a column too few": ({"inputs": torch.ones(EXAMPLES, 4)}, "the inputs have 4 numbers a row, not 5"),
    "double precision": (
        {"inputs": torch.ones(EXAMPLES, 5).double()},
        "contiguous torch.float32 on the CPU, not torch.fl",
    ),
    "every other column": ({"inputs": torch.ones(EXAMPLES, 10)[:, ::2]}, "not contiguous"),
    "no memory at all": ({"inputs": torch.ones(EXAMPLES, 5, device="meta")}, "not torch.float32 on meta"),
    "short targets": ({"targets": torch.zeros(EXAMPLES, dtype=torch.int32)}, "the targets are contiguous torch.int64"),
    "two targets": ({"targets": torch.zeros(EXAMPLES, 2, dtype=torch.int64)}, "2 numbers a row, not 1"),
    "no targets": ({"rows": {INPUTS: torch.ones(EXAMPLES, 5)}}, "the targets are missing"),
    "no inputs": ({"rows": {TARGETS: torch.zeros(EXAMPLES, dtype=torch.int64)}}, "the inputs are missing"),
    "an answer that is not": ({"rows": {9: torch.ones(EXAMPLES, 5)}}, "a program has 1 answers"),
    "an example too many": ({"order": np.arange(10).reshape(2, 5) + 11}, "examples from 11 to 20 of 20"),
    "an example before": ({"order": np.arange(10).reshape(2, 5) - 1}, "examples from -1 to 8 of 20"),
    "fewer targets": ({"targets": torch.zeros(9, dtype=torch.int64)}, "examples from 0 to 9 of 9"),
    "a short order": ({"order": np.arange(10, dtype=np.int32).reshape(2, 5)}, "64-bit numbers"),
    "an order of columns": ({"order": np.arange(10).reshape(5, 2).T}, "a contiguous matrix"),
    "a rate too many": ({"rates": np.full(3, 0.1)}, "a row for each rate"),
    "rates in single precision": ({"rates": np.full(2, 0.1, np.float32)}, "rates are"),
    "a batch too large": ({"batch": 6}, "a batch has 1 to 5 examples by its order, not 6"),
    "no batch": ({"batch": 0}, "a batch has 1 to 5 examples by its order, not 0"),
    "a total in double precision": ({"total": np.zeros(1)}, "the total of losses"),
    "a small arena": ({"arena": np.zeros(100, np.float32)}, "an arena has at least"),
    "an arena in double precision": ({"arena": np.zeros(10_000)}, "an arena has at least"),
    "no slots for Adam": ({"rule": ADAM}, "the optimizer needs slots"),
    "no slot for momentum": ({"rule": MOMENTUM}, "the optimizer needs slots"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_training_that_is_wrong(what: str):
    """One thing, and what is said."""
    change, said = WRONG[what]
    with pytest.raises(ValueError, match=said):
        replace(Training(), **change).run()


def test_live_weights_of_another_network_or_precision():
    """Whose rows the machine would look for in vain."""
    for other in ({**SHAPES, "w": (6, 4)}, {"w": (6, 5), "v": (3, 6), "b": (6,)}, {"w": (6, 5), "b": (6,)}):
        with pytest.raises(ValueError, match="cannot run on live weights"):
            Training(live=live(other)).run()
    with pytest.raises(ValueError, match="not of the machine's precision"):
        Training(live=live(double=True)).run()
    with pytest.raises(ValueError, match="not of the machine's precision"):
        Training().run("twin")


def test_a_mask_of_another_shape():
    """Or one of a bias, of which every number is needed."""
    weights = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    for name, mask in (("w", torch.ones(5, 6)), ("b", torch.zeros(6))):
        with pytest.raises(ValueError, match=f"'{name}' has a mask of its shape"):
            Live(list(SHAPES), weights, {name: mask.bool()})


@pytest.mark.parametrize("target", [-1, 3, -(2**62), 2**62])
def test_there_is_no_such_class(target: int):
    """The loss is no number, and nothing is read or written for it."""
    targets = torch.zeros(EXAMPLES, dtype=torch.int64)
    targets[7] = target
    runner, weights = Runner.of(tape(), 16, "train"), live()
    assert isnan(runner.gradients(weights, torch.ones(EXAMPLES, 5), targets))
    assert np.isfinite(weights.gradients).all()


def test_an_empty_batch():
    """No outputs; there is nothing to learn from."""
    (found,) = Runner.of(tape(), 16, "forward").outputs(live(), torch.ones(0, 5))
    assert found.shape == (0, 3, 1, 1)
    with pytest.raises(ValueError, match="a batch has at least one example"):
        Runner.of(tape(), 16, "train").gradients(live(), torch.ones(0, 5), torch.zeros(0, dtype=torch.int64))


def test_given_gradients_are_of_the_answers():
    """As many, and of their shape."""
    runner = Runner.of(tape(), 16, "pull")
    inputs, targets = torch.ones(4, 5), torch.zeros(4, dtype=torch.int64)
    for given, said in (
        ([torch.ones(4, 2)], "the answers have 2 numbers a row, not 3"),
        ([torch.ones(3, 3)], "the answers have 3 rows of at least 4"),
        ([], "the answers are missing"),
        ([torch.ones(4, 3)] * 2, "a program has 1 answers, not 2"),
    ):
        with pytest.raises(ValueError, match=said):
            runner.gradients(live(), inputs, targets, given=given)


def test_a_table_is_there_and_of_its_size():
    """Words choose rows of it; a word that is none is a loss that is no number."""
    words = Tape({"words": (7, 4), "v": (3, 4)})
    words.answer(words.linear("v", words.look_up("words", 1)))
    weights = Live(["v"], {"v": torch.ones(3, 4)}, {})
    runner = Runner.of(words, 16, "forward")
    inputs = torch.ones(2, 2, dtype=torch.int64)
    assert runner.outputs(weights, inputs, outside={"words": torch.ones(7, 4)})[0].flatten().tolist() == [4.0] * 6
    for table, said in ((torch.ones(6, 4), "have 6 rows of at least 7"), (torch.ones(7, 3), "have 3 numbers a row")):
        with pytest.raises(ValueError, match=said):
            runner.outputs(weights, inputs, outside={"words": table})
    with pytest.raises(ValueError, match="the rows of 'words' are missing"):
        runner.outputs(weights, inputs)
    with pytest.raises(ValueError, match="the inputs have 1 numbers a row, not 2"):
        runner.outputs(weights, inputs[:, :1].contiguous(), outside={"words": torch.ones(7, 4)})


@pytest.mark.parametrize("tile", [0, -16, 8, 24])
def test_a_tile_is_a_multiple_of_the_lanes(tile: int):
    """And not empty."""
    with pytest.raises(ValueError, match="a tile has 16 examples, or a multiple"):
        Runner.of(tape(), tile, "forward")


def image() -> tuple[Tape, Value]:
    """Three channels of 4 × 4, and weights for them."""
    shapes = {"matrix": (5, 48), "kernel": (5, 3, 3, 3), "bias": (4,), "line": (5, 3, 3)}
    found = Tape(shapes)
    return found, found.inputs((3, 4, 4))


MISFITS: dict[str, tuple[Callable[[Tape, Value], Any], str]] = {
    "features": (lambda t, x: t.linear("matrix", x, x), "reads 48 features, not 96"),
    "a kernel as a matrix": (lambda t, x: t.linear("kernel", x), "is no matrix"),
    "rows": (lambda t, x: t.linear("matrix", x, rows=(3, 6)), "has 5 rows, and none from 3 to 6"),
    "a bias": (lambda t, x: t.linear("matrix", x, bias="bias"), "'bias' is no bias of 'matrix'"),
    "an addend": (lambda t, x: t.linear("matrix", x, addend=x), "an addend of shape"),
    "channels": (lambda t, x: t.convolution("kernel", x, x), "reads 3 channels, not 6"),
    "a matrix as a kernel": (lambda t, x: t.convolution("matrix", x), "is no convolution"),
    "a kernel's bias": (lambda t, x: t.convolution("kernel", x, bias="bias"), "'bias' is no bias of 'kernel'"),
    "a kernel's addend": (lambda t, x: t.convolution("kernel", x, padding=1, addend=x), "an addend of shape"),
    "a kernel too large": (lambda t, x: t.convolution("kernel", t.pool(x)), "there are no activations"),
    "sizes": (lambda t, x: t.convolution("kernel", t.part(x, 0, 2), t.part(t.pool(x), 0, 1)), "different sizes"),
    "no window": (lambda t, x: t.pool(t.pool(t.pool(x))), "there are no activations of 3 × 0 × 0"),
    "a part": (lambda t, x: t.part(x, 2, 4), "of 3 channels none are from 2 to 4"),
    "a cell": (lambda t, x: t.gated(t.linear("matrix", x), None, None), "a cell of 1 units has 3 sums"),
    "a memory": (lambda t, x: t.reveal(t.linear("matrix", x), x), "a cell of 3 units"),
    "a part as an answer": (lambda t, x: t.answer(t.part(t.linear("matrix", x), 0, 2)), "whole activations"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit_on_a_tape(what: str):
    """Sizes that the machine would take for granted."""
    write, said = MISFITS[what]
    with pytest.raises(ValueError, match=said):
        write(*image())
