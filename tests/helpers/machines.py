"""The machine of the sparse engine in tests: skipped where no C compiler is, and the ways that this processor has."""

from __future__ import annotations

import pytest

from ticketbench.sparse.build import compiler
from ticketbench.sparse.library import BEST, best, missing

needs_machine = pytest.mark.skipif(bool(missing()) and not compiler(), reason="there is no C compiler")
"""With a compiler, a machine that has not been compiled is an error, which says what to do."""


def single_ways() -> tuple[str, ...]:
    """In single precision: the plain one first."""
    return BEST[: BEST.index(best()) + 1] if not missing() else BEST[:1]
