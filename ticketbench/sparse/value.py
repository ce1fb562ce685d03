"""Activations on a tape, and the buffers that hold them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """Some activations on a tape."""

    number: int
    """Of the buffer that holds them."""
    channels: int
    lines: int = 1
    places: int = 1
    first: int = 0
    """The channel of the buffer with which they begin."""
    stopped: bool = False
    """Whether no gradient goes back from here."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, lines, places."""
        return self.channels, self.lines, self.places

    @property
    def size(self) -> int:
        """Numbers an example."""
        return self.channels * self.lines * self.places


@dataclass
class Buffer:
    """What holds activations: their shape, and the zeros around each channel."""

    channels: int
    lines: int
    places: int
    frame: tuple[int, int] = (0, 0)
    """Lines of zeros above and below, places of zeros before and behind."""
    edge: tuple[int, int] = (0, 0)
    """The same of its gradients."""

    def widen(self, frame: tuple[int, int]) -> None:
        """Make its frame at least as wide as this one."""
        self.frame = (max(self.frame[0], frame[0]), max(self.frame[1], frame[1]))

    @property
    def is_vector(self) -> bool:
        """Whether each channel has one place."""
        return self.lines * self.places == 1


@dataclass(frozen=True)
class Output:
    """An output of the network, values whose places are one behind the other, and its share of the loss."""

    values: tuple[Value, ...]
    share: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, lines, places of all values together."""
        first = self.values[0]
        return first.channels, first.lines, sum(value.places for value in self.values)
