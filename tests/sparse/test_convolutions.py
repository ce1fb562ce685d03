"""Convolutions of live weights against autograd, and the same bits on every processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import needs_machine, single_ways
from sparse_gradients import Found, Pruned, Weights, assert_near
from torch import Tensor
from torch.nn import functional

from ticketbench.sparse import arrangement
from ticketbench.sparse.tape import Tape

pytestmark = needs_machine

DENSITIES = (0.5, 0.2, 0.05, 0.01)
CORRELATE = {1: functional.conv1d, 2: functional.conv2d}


class Net:
    """Two convolutions, of which the second reads the first and the problem, and adds what the first gave."""

    def __init__(self, dimensions: int, kernel: int, padding: int, density: float, width: int = 6) -> None:
        self.dimensions, self.padding, self.middle = dimensions, padding, kernel // 2
        size = (kernel,) * dimensions
        shapes = {"one.weight": (width, 3, *size), "one.bias": (width,), "two.weight": (width, width + 3, *size)}
        if dimensions == 1:
            self.inputs: tuple[int, ...] = (3, 11)
        else:
            self.inputs = (3, 7, 9)
        shapes |= {"two.bias": (width,), "three.weight": (4, width, *size)}
        if kernel % 2 == 0 or padding != kernel // 2:
            shapes["two.weight"] = (width, width, *size)
        self.recalls = len(shapes) == 5 and shapes["two.weight"][1] != width
        self.shapes = shapes
        self.pruned = Pruned.draw(shapes, density)

    def tape(self) -> Tape:
        """As the engine sees it."""
        tape = Tape(dict(self.shapes))
        problem = tape.inputs(self.inputs)
        one = tape.convolution("one.weight", problem, bias="one.bias", padding=self.padding, relu=True)
        reads = (one, problem) if self.recalls else (one,)
        addend = one if self.recalls else None
        two = tape.convolution("two.weight", *reads, bias="two.bias", padding=self.padding, addend=addend, relu=True)
        tape.answer(tape.convolution("three.weight", two, padding=self.padding))
        return tape

    def forward(self, weights: Weights, inputs: Tensor) -> Tensor:
        """As torch does."""
        problem, correlate = inputs.double(), CORRELATE[self.dimensions]
        one = correlate(problem, weights["one.weight"], weights["one.bias"], padding=self.padding).relu()
        read = torch.cat([one, problem], dim=1) if self.recalls else one
        two = correlate(read, weights["two.weight"], weights["two.bias"], padding=self.padding)
        two = (two + one).relu() if self.recalls else two.relu()
        return correlate(two, weights["three.weight"], padding=self.padding)

    def batch(self, examples: int = 19) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, classes of every place, and a share of each."""
        source = torch.Generator().manual_seed(5)
        inputs = torch.randn(examples, *self.inputs, generator=source)
        places = self.forward(self.pruned.weights, inputs).shape[2:]
        targets = torch.randint(0, 4, (examples, *places), generator=source)
        return inputs, targets, torch.rand(targets.shape, generator=source)

    def expected(self, inputs: Tensor, targets: Tensor, shares: Tensor | None) -> Found:
        """By autograd."""

        def loss(weights: Weights) -> tuple[list[Tensor], Tensor]:
            scores = self.forward(weights, inputs)
            each = functional.cross_entropy(scores, targets, reduction="none")
            return [scores], each.mean() if shares is None else (each * shares).sum()

        return self.pruned.by_autograd(list(self.shapes), loss)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_gradients_are_those_of_autograd(dimensions: int, padding: int, density: float) -> None:
    """In double precision to nine digits, in single precision to five; with a padding of 1 the second one recalls."""
    net = Net(dimensions, 3, padding, density)
    inputs, targets, _ = net.batch()
    expected = net.expected(inputs, targets, None)
    for way in ("twin", single_ways()[-1]):
        assert_near(net.pruned.by_machine(net.tape(), inputs, targets, way), expected, way)


@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (1, 1), (2, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_kernels_of_other_sizes(dimensions: int, kernel: int, padding: int) -> None:
    """Even ones and those that are smaller than their padding, too; tiles of 32."""
    net = Net(dimensions, kernel, padding, 0.3)
    inputs, targets, _ = net.batch(37)
    found = net.pruned.by_machine(net.tape(), inputs, targets, "twin", tile=32)
    assert_near(found, net.expected(inputs, targets, None), "twin")


@pytest.mark.parametrize("dimensions", [1, 2])
def test_places_have_shares_of_the_loss(dimensions: int) -> None:
    """As the pixels of a maze have."""
    net = Net(dimensions, 3, 1, 0.3)
    inputs, targets, shares = net.batch()
    expected = net.expected(inputs, targets, shares.double())
    for way in ("twin", single_ways()[-1]):
        assert_near(net.pruned.by_machine(net.tape(), inputs, targets, way, shares), expected, way)


@pytest.mark.parametrize("empty", ["one.weight", "two.weight", "three.weight"])
def test_a_layer_without_weights(empty: str) -> None:
    """Nothing goes through it, but its bias."""
    net = Net(2, 3, 1, 0.5)
    net.pruned.masks[empty][:] = False
    net.pruned.weights[empty].zero_()
    inputs, targets, _ = net.batch()
    found = net.pruned.by_machine(net.tape(), inputs, targets, "twin")
    assert_near(found, net.expected(inputs, targets, None), "twin")


@pytest.mark.parametrize("dimensions", [1, 2])
def test_every_processor_computes_the_same_bits(dimensions: int) -> None:
    """Generic code, AVX2 and AVX-512, those that are here."""
    net = Net(dimensions, 3, 1, 0.3, width=9)
    inputs, targets, shares = net.batch(35)
    found = {net.pruned.by_machine(net.tape(), inputs, targets, way, shares, 32).bits() for way in single_ways()}
    assert len(found) == 1


@pytest.mark.parametrize("way", ["twin", *single_ways()])
def test_blocks_of_channels_decide_nothing(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit: whether a row is gone through as one block or as many."""
    net = Net(2, 3, 1, 0.4, width=12)
    inputs, targets, _ = net.batch()
    found = set()
    for near in (1 << 20, 1 << 13, 1):
        monkeypatch.setattr(arrangement, "NEAREST", near)
        found.add(net.pruned.by_machine(net.tape(), inputs, targets, way).bits())
    assert len(found) == 1


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_both_ways_through_the_weights_are_the_same_weights(data: st.DataObject) -> None:
    """By rows of outputs and by rows of inputs: every live weight once, in blocks that begin where the last ended."""
    size = st.integers(1, 7)
    shape = data.draw(st.tuples(size, size, st.integers(1, 3)) | st.tuples(size, size, size, size))
    places = np.flatnonzero(np.random.default_rng(data.draw(st.integers(0, 99))).random(shape) < 0.4)
    own = arrangement.of_convolution(places, shape)
    down, whence = arrangement.turned(places, shape)
    taps = int(np.prod(shape[2:]))
    assert list(listed(own)) == [(place // (shape[1] * taps), place % (shape[1] * taps)) for place in places]
    back = [
        (channel, column // taps, column % taps) for channel, column in listed(down)
    ]  # (input, output, place of the kernel)
    assert [output * shape[1] * taps + channel * taps + tap for channel, output, tap in back] == list(places[whence])
    assert back == sorted(back)


def listed(one: arrangement.Arrangement) -> list[tuple[int, int]]:
    """Row and column of every weight, by where blocks begin."""
    rows = (len(one.begin) - 1) // one.blocks
    found = []
    for row in range(rows):
        start, stop = one.begin[row * one.blocks], one.begin[(row + 1) * one.blocks]
        found += [(row, int(column)) for column in one.column[start:stop]]
    return found


def test_pooling_gives_what_comes_back_to_the_first_of_the_largest() -> None:
    """As torch does, among equal values; an odd line and an odd place at the end get nothing."""
    source = torch.Generator().manual_seed(2)
    weight = torch.randint(0, 2, (3, 1, 1, 1), generator=source).double() + 1
    inputs = torch.randint(0, 3, (21, 1, 7, 5), generator=source).float()
    targets = torch.randint(0, 3, (21, 3, 2), generator=source)
    tape = Tape({"weight": (3, 1, 1, 1), "next": (3, 3, 3, 3)})
    own = torch.randn(3, 3, 3, 3, generator=source, dtype=torch.float64)
    pruned = Pruned({"weight": weight, "next": own}, {})
    read = tape.pool(tape.convolution("weight", tape.inputs((1, 7, 5)), relu=True))
    tape.answer(tape.convolution("next", read, padding=1))

    def loss(weights: Weights) -> tuple[list[Tensor], Tensor]:
        inner = functional.max_pool2d(functional.conv2d(inputs.double(), weights["weight"]).relu(), 2)
        scores = functional.conv2d(inner, weights["next"], padding=1)
        return [scores], functional.cross_entropy(scores, targets)

    expected = pruned.by_autograd(["weight", "next"], loss)
    for way in ("twin", *single_ways()):
        assert_near(pruned.by_machine(tape, inputs, targets, way), expected, way)


def test_tiles_of_convolutions_are_small() -> None:
    """Sixteen examples, as their lines have many places; images without convolutions as many as are near."""
    strings = Tape({"weight": (4, 1, 3)})
    strings.convolution("weight", strings.inputs((1, 8)))
    assert strings.tile == 16
    for lines, tile in ((10, 64), (400, 32), (900, 16)):
        images = Tape({})
        images.inputs((1, lines, 10))
        assert images.tile == tile


def test_what_is_read_together_has_frames_of_one_size() -> None:
    """Also where one of them was read with more padding, before or after."""
    tape = Tape({"wide": (2, 2, 5), "both": (2, 4, 3), "end": (2, 2, 1)})
    first = tape.inputs((2, 9))
    second = tape.convolution("wide", first, padding=2)
    third = tape.convolution("both", second, first, padding=1)
    tape.answer(tape.convolution("end", third))
    pruned = Pruned.draw({"wide": (2, 2, 5), "both": (2, 4, 3), "end": (2, 2, 1)}, 1.0)
    inputs, targets = torch.randn(5, 2, 9), torch.randint(0, 2, (5, 9))

    def loss(weights: Weights) -> tuple[list[Tensor], Tensor]:
        other = functional.conv1d(inputs.double(), weights["wide"], padding=2)
        both = functional.conv1d(torch.cat([other, inputs.double()], 1), weights["both"], padding=1)
        scores = functional.conv1d(both, weights["end"])
        return [scores], functional.cross_entropy(scores, targets)

    assert_near(
        pruned.by_machine(tape, inputs, targets, "twin"), pruned.by_autograd(["wide", "both", "end"], loss), "twin"
    )
