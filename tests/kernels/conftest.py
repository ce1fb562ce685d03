"""What tests of kernels share: the process in which Triton interprets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from interpreted import interpreter


@pytest.fixture(scope="session")
def interpreted() -> Iterator[Callable[..., tuple[Any, tuple[Any, ...]]]]:
    """Calls a function where kernels are interpreted."""
    if find_spec("triton") is None:
        pytest.skip("triton is not installed: pip install triton")
    with interpreter() as run:
        yield run
