"""Tapes of deep thinkers and of layers in a row against their forwards: plain, in training and over a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from machines import needs_machine, single_ways
from sparse_gradients import Found, Pruned, Weights, assert_near
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import Model, Shapes
from ticketbench.sparse.tape import Tape
from ticketbench_models.conv import Conv2, Conv4, Conv6
from ticketbench_models.dtnet import DTNet1D, DTNet2D, Progressive
from ticketbench_models.feedforward import FeedForward1D, FeedForward2D
from ticketbench_models.lenet import LeNet5
from ticketbench_tasks.mazes import Mazes

pytestmark = needs_machine

STRINGS, IMAGES = Shapes((1, 9), 2), Shapes((3, 5, 6), 2)
DEPTH = 3
THINKERS: dict[str, tuple[Progressive, Shapes]] = {
    "strings": (DTNet1D(width=8, iterations=DEPTH), STRINGS),
    "both strings": (DTNet1D(width=8, iterations=DEPTH, alpha=0.4), STRINGS),
    "images": (DTNet2D(width=8, iterations=DEPTH, alpha=0.4), IMAGES),
    "no recall": (DTNet1D(width=8, iterations=DEPTH, recall=False), STRINGS),
    "deep strings": (FeedForward1D(width=8, iterations=DEPTH), STRINGS),
    "deep images": (FeedForward2D(width=8, iterations=DEPTH, alpha=0.4), IMAGES),
}


class Case:
    """A model under a mask, with a batch."""

    def __init__(self, model: Model, shapes: Shapes, density: float = 0.4, examples: int = 17) -> None:
        torch.manual_seed(1)
        self.model, self.shapes = model, shapes
        self.module: nn.Module = model.build(shapes).double()
        drawn = {name: tuple(one.shape) for name, one in self.module.named_parameters()}
        self.pruned = Pruned.draw(drawn, density)
        for name in self.pruned.masks.keys() - set(model.prunable(self.module)):
            self.pruned.masks.pop(name)
        source = torch.Generator().manual_seed(4)
        self.inputs = torch.randn(examples, *shapes.inputs, generator=source)
        places = self.outputs(self.pruned.weights, {}).shape[2:]
        self.targets = torch.randint(0, shapes.outputs, (examples, *places), generator=source)
        self.shares: Tensor | None = None

    def outputs(self, weights: Weights, call: Mapping[str, Any]) -> Any:
        """What the forward gives."""
        return functional_call(self.module, weights, (self.inputs.double(),), dict(call))

    def tape(self, call: Mapping[str, Any]) -> Tape:
        """What the engine sees."""
        found = self.model.tape(self.module, self.shapes.inputs, call)
        assert found is not None
        return found

    def criterion(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The mean cross entropy, or that by shares."""
        each = functional.cross_entropy(outputs, targets, reduction="none")
        return each.mean() if self.shares is None else (each * self.shares).sum()

    def expected(self, call: Mapping[str, Any]) -> Found:
        """By autograd."""

        def loss(weights: Weights) -> tuple[list[Tensor], Tensor]:
            outputs = self.outputs(weights, call)
            if not isinstance(outputs, dict):
                return [outputs], self.criterion(outputs, self.targets, self.inputs)
            whole = self.model.loss(outputs, self.targets, self.inputs, self.criterion)
            return list(outputs.values()), whole

        return self.pruned.by_autograd(self.tape(call).parameters, loss)

    def check(self, call: Mapping[str, Any], *ways: str, tile: int = 16) -> None:
        """Answers, the loss and gradients."""
        expected = self.expected(call)
        for way in ways or ("twin", single_ways()[-1]):
            shares = None if self.shares is None else self.shares.float()
            found = self.pruned.by_machine(self.tape(call), self.inputs, self.targets, way, shares, tile)
            assert_near(found, expected, way)


@pytest.mark.parametrize("name", THINKERS)
def test_plain(name: str) -> None:
    """The answer after all iterations."""
    Case(*THINKERS[name]).check({})


@pytest.mark.parametrize(("start", "steps"), [(0, 1), (0, DEPTH), (1, 2), (DEPTH - 1, 1)])
@pytest.mark.parametrize("name", THINKERS)
def test_training(name: str, start: int, steps: int) -> None:
    """The progressive answer, back from which gradients go to `start`, and the full one where it counts."""
    model, shapes = THINKERS[name]
    Case(model, shapes).check({"full": model.alpha < 1, "start": start, "steps": steps}, "twin")


@pytest.mark.parametrize("density", [0.5, 0.2, 0.05, 0.01])
@pytest.mark.parametrize("name", ["strings", "images"])
def test_densities(name: str, density: float) -> None:
    """Down to hardly any weights."""
    model, shapes = THINKERS[name]
    Case(model, shapes, density).check({"full": model.alpha < 1, "start": 1, "steps": 2})


@pytest.mark.parametrize("name", THINKERS)
def test_sweep(name: str) -> None:
    """An answer for each point in the order asked for, twice where it is asked for twice."""
    model, shapes = THINKERS[name]
    case, call = Case(model, shapes), model.sweep_call((3, 1, 2, 3))
    expected = case.outputs(case.pruned.weights, call)
    found = case.pruned.answers(case.tape(call), case.inputs, "twin")
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.reshape(other.shape), other, rtol=1e-9, atol=1e-12)


def test_mazes_have_shares() -> None:
    """Walls count nothing: the loss and the gradients are those of the task's own criterion."""
    task = Mazes(size=5, examples=24, test_examples=1, scale=1)
    split = task.training()[0]
    model = DTNet2D(width=8, iterations=DEPTH, alpha=0.4)
    case = Case(model, task.shapes())
    case.inputs, case.targets = split.inputs[:17], split.targets[:17]
    case.shares = task.shares(case.targets, case.inputs).double()
    call = {"full": True, "start": 2, "steps": 2}
    case.check(call)
    outputs = case.outputs(case.pruned.weights, call)
    by_task = model.loss(outputs, case.targets, case.inputs, task.loss).item()
    assert case.expected(call).loss == pytest.approx(by_task, rel=1e-6)


@pytest.mark.parametrize("name", ["strings", "images"])
def test_every_processor_computes_the_same_bits(name: str) -> None:
    """Generic code, AVX2 and AVX-512, those that are here."""
    model, shapes = THINKERS[name]
    case = Case(model, shapes)
    tape = case.tape({"full": model.alpha < 1, "start": 1, "steps": 2})
    found = {case.pruned.by_machine(tape, case.inputs, case.targets, way).bits() for way in single_ways()}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("model", "shapes"),
    [
        (LeNet5(), Shapes((1, 17, 19), 5)),
        (LeNet5(padding=0), Shapes((3, 16, 18), 5)),
        (Conv2(), Shapes((3, 5, 6), 4)),
        (Conv4(), Shapes((1, 6, 7), 4)),
        (Conv6(), Shapes((3, 9, 8), 4)),
    ],
    ids=["lenet", "lenet without padding", "conv2", "conv4", "conv6"],
)
def test_layers_in_a_row(model: Model, shapes: Shapes) -> None:
    """Convolutions, poolings of odd sizes, and linear layers of what is left."""
    Case(model, shapes, density=0.2, examples=5).check({})


def test_a_norm_has_no_tape() -> None:
    """Such networks are computed densely."""
    model = DTNet1D(width=8, norm=True)
    assert model.tape(model.build(STRINGS), STRINGS.inputs, {}) is None


def arena(model: Progressive, shapes: Shapes, call: Mapping[str, Any], mode: Any) -> int:
    """The numbers that a program takes for a tile."""
    tape = model.tape(model.build(shapes), shapes.inputs, call)
    assert tape is not None
    return tape.program(16, mode).arena


@pytest.mark.parametrize("name", ["strings", "images", "no recall"])
def test_iterations_take_no_memory(name: str) -> None:
    """Not in a sweep, and not before the first that a gradient goes back through; nor tables, which they share."""
    model, shapes = THINKERS[name]
    short, long = (arena(model, shapes, model.sweep_call((5, last)), "forward") for last in (10, 100))
    assert short == long
    longer = type(model)(width=8, iterations=60, recall=model.recall)
    near, far = (arena(longer, shapes, {"full": False, "start": at, "steps": 2}, "train") for at in (1, 50))
    assert near <= far <= near * 1.2
    pools = [len(case.pool) for case in programs(model, shapes, (10, 100))]
    assert pools[0] == pools[1]


def programs(model: Progressive, shapes: Shapes, points: tuple[int, ...]) -> list[Any]:
    """Sweeps to these points."""
    module = model.build(shapes)
    tapes = [model.tape(module, shapes.inputs, model.sweep_call((point,))) for point in points]
    return [tape.program(16, "forward") for tape in tapes if tape is not None]


def test_what_is_stopped_is_the_same_forward() -> None:
    """Iterations without gradient change no answer."""
    model, shapes = THINKERS["strings"]
    case = Case(model, shapes)
    call = {"full": False, "start": 2, "steps": DEPTH - 2}
    (found,), (expected,) = (case.pruned.answers(case.tape(one), case.inputs, "twin") for one in (call, {}))
    assert torch.equal(found, expected)
