"""What fits together on a tape: sizes that the machine takes for granted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ticketbench.sparse.value import Buffer, Value

ParameterShapes = Mapping[str, tuple[int, ...]]


def require(fits: bool, otherwise: str) -> None:
    """An error unless something is so."""
    if not fits:
        raise ValueError(otherwise)


def linear_fits(shapes: ParameterShapes, weight: str, bias: str, reads: Sequence[Value], rows: tuple[int, int]) -> None:
    """A matrix with a column for each feature that is read, with these rows, and a bias for each of its own."""
    shape, features = shapes[weight], sum(value.size for value in reads)
    require(len(shape) == 2, f"'{weight}' is no matrix, but of shape {shape}")
    require(shape[1] == features, f"'{weight}' reads {shape[1]} features, not {features}")
    require(0 <= rows[0] < rows[1] <= shape[0], f"'{weight}' has {shape[0]} rows, and none from {rows[0]} to {rows[1]}")
    bias_fits(shapes, weight, bias)


def convolution_fits(shapes: ParameterShapes, weight: str, bias: str, reads: Sequence[Value], padding: int) -> None:
    """A kernel over one or two dimensions with all channels that are read, of as many lines and places each."""
    shape, channels = shapes[weight], sum(value.channels for value in reads)
    require(len(shape) in (3, 4), f"'{weight}' is no convolution of strings or images, but of shape {shape}")
    require(shape[1] == channels, f"'{weight}' reads {shape[1]} channels, not {channels}")
    sizes = {(value.lines, value.places) for value in reads}
    require(len(sizes) == 1 and padding >= 0, f"'{weight}' reads activations of different sizes: {sorted(sizes)}")
    bias_fits(shapes, weight, bias)


def bias_fits(shapes: ParameterShapes, weight: str, bias: str) -> None:
    """A number for each row, if there is one."""
    fits = not bias or shapes[bias] == (shapes[weight][0],)
    require(fits, f"'{bias}' is no bias of '{weight}', which has {shapes[weight][0]} rows")


def addend_fits(addend: Value | None, value: Value) -> None:
    """Of the shape of what it is added to."""
    fits = addend is None or addend.shape == value.shape
    require(fits, f"an addend of shape {addend and addend.shape} is added to activations of {value.shape}")


def cell_fits(sums: Value, units: int, blocks: int, *others: Value | None) -> None:
    """Sums for each gate of each unit, and states of as many units."""
    wrong = [one.shape for one in others if one is not None and one.shape != (units, 1, 1)]
    fits = units > 0 and sums.shape == (blocks * units, 1, 1) and not wrong
    require(fits, f"a cell of {units} units has {blocks * units} sums, not {sums.shape}, and states {wrong}")


def answer_fits(buffers: Sequence[Buffer], values: Sequence[Value]) -> None:
    """Whole activations, of as many channels and lines each."""
    whole = all(value.first == 0 and value.channels == buffers[value.number].channels for value in values)
    same = len({(value.channels, value.lines) for value in values}) == 1
    require(whole and same, "an answer is made of whole activations with the same channels and lines")
