"""Which networks are computed at their live weights: a fixed rule of density and model, and never a timing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod

from ticketbench.sparse.tape import Tape

SMALL_LAYERS = {"recurrent": 1 << 16, "string": 1 << 13, "image": 1 << 13}
"""Up to how many weights a layer of a kind is small: dense products of small layers are slow."""
PAYS = {
    "linear": 0.85,
    "recurrent": 0.5,
    "small recurrent": 0.9,
    "string": 0.45,
    "small string": 0.95,
    "image": 0.45,
    "small image": 0.75,
}
"""The density at which both engines take about as long, of linear layers, of those that are read at several steps, and
of convolutions of strings and images. It was measured once on two cores, and stands in the keys of cells."""


def kinds(tape: Tape) -> dict[str, str]:
    """Weight -> its kind, of all that is multiplied."""
    readers = Counter(operation.weights[0] for operation in tape.operations if operation.work())
    found = {}
    for name, count in readers.items():
        shape = tape.shapes[name]
        kind = {2: "recurrent" if count > 1 else "linear", 3: "string", 4: "image"}[len(shape)]
        found[name] = f"small {kind}" if prod(shape) <= SMALL_LAYERS.get(kind, 0) else kind
    return found


def cost(tape: Tape, densities: Mapping[str, float]) -> float:
    """A pass at the live weights by the rule, in units of the dense one; each weight has the given density, or 1."""
    kind, ours, theirs = kinds(tape), 0.0, 0.0
    for operation in tape.operations:
        if work := operation.work():
            name = operation.weights[0]
            theirs += work
            ours += work * densities.get(name, 1.0) / PAYS[kind[name]]
    return ours / theirs if theirs else 1.0


def is_sparse(tape: Tape, densities: Mapping[str, float]) -> bool:
    """Whether a network of these densities is computed at its live weights."""
    return cost(tape, densities) <= 1
