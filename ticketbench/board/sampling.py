"""Which cells of a bundle are computed again, and how likely that catches who raised some of them.

The order of the cells follows from the bundle's hash: whoever changes a result changes the hash, and with it the
cells that will be looked at. With m of n cells computed again, k of which are false, at least one false cell is among
them with probability

    1 − C(n − k, m) / C(n, m)

The n cells are those that a board ranks, each of which a bundle has once: no others can be added to hide some.

A submitter can try bundles (another `who`, say) until the false cells are passed over. Against that the verifier adds
a word of their own, `--salt`, which the submitter does not know; the verdict says which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from math import comb


def sample(bundle: str, keys: Iterable[str], count: int, salt: str = "") -> list[str]:
    """So many of the keys, or all: those whose sha256 with the bundle's hash and the salt is smallest."""

    def rank(key: str) -> str:
        return hashlib.sha256(f"{bundle} {salt} {key}".encode()).hexdigest()

    return sorted(keys, key=rank)[:count]


def chance(cells: int, false: int, sampled: int) -> float:
    """The probability that a sample holds at least one of the false cells."""
    sampled = min(sampled, cells)
    return 1 - comb(cells - false, sampled) / comb(cells, sampled)
