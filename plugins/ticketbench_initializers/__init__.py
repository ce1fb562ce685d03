"""Initializers: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Initializer, hookimpl
from ticketbench_initializers.default import Default
from ticketbench_initializers.layer_scaled import LayerScaled
from ticketbench_initializers.orthogonal import Orthogonal
from ticketbench_initializers.scaled import Glorot, He
from ticketbench_initializers.sparse import Sparse
from ticketbench_initializers.spread import Normal, Uniform


@hookimpl
def ticketbench_initializers() -> Sequence[Initializer]:
    """The built-in initializers."""
    return [Default(), Glorot(), He(), Sparse(), LayerScaled(), Normal(), Uniform(), Orthogonal()]
