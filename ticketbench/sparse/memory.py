"""Where buffers lie in the arena: each from its first use to its last, the memory of those that are gone used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LANES = 16
BufferSide = tuple[str, int]
"""("a" or "g", buffer): its activations or their gradients."""


@dataclass
class Lifetime:
    """When a buffer is used, by the number of the step."""

    first: int
    last: int


def laid_out(
    lives: Mapping[BufferSide, Lifetime], size: Callable[[BufferSide], int]
) -> tuple[dict[BufferSide, int], int]:
    """An address for each, such that none that are there at the same time overlap; and the arena's size."""
    free: list[tuple[int, int]] = [(0, 1 << 62)]
    leaving: list[tuple[int, int, int]] = []
    found: dict[BufferSide, int] = {}
    end = 0
    for key, life in sorted(lives.items(), key=lambda one: (one[1].first, one[0])):
        for gone in [one for one in leaving if one[0] < life.first]:
            leaving.remove(gone)
            free = joined([*free, gone[1:]])
        wanted = -(-size(key) // LANES) * LANES
        at = next(number for number, (_, room) in enumerate(free) if room >= wanted)
        start, room = free[at]
        free[at : at + 1] = [(start + wanted, room - wanted)] if room > wanted else []
        found[key] = start
        leaving.append((life.last, start, wanted))
        end = max(end, start + wanted)
    return found, end


def joined(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps in order, with those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, room in sorted(gaps):
        if found and sum(found[-1]) == start:
            found[-1] = (found[-1][0], found[-1][1] + room)
        else:
            found.append((start, room))
    return found
