"""The small networks that scorers, methods, initializers and probes are tried on."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.plugin.contracts import Model, Shapes, Task
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.networks import Tiny, TinyConvolution, TinyRecurrence


@dataclass(frozen=True)
class World:
    """A network and a task for it."""

    words: str
    model: Model
    task: Task


WORLDS = (
    World("a linear network", Tiny(), Blobs()),
    World("a convolutional network", TinyConvolution(), Blobs(Shapes((1, 6, 6), 3))),
    World("a recurrent network", TinyRecurrence(), Blobs(Shapes((12, 4), 3))),
)
"""From the one that most things take to the one that few do."""


def listed(words: list[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
