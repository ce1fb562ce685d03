"""An assertion that holds under `python -O`, too."""

from __future__ import annotations


def demand(right: object, complaint: str) -> None:
    """Raise an `AssertionError` with the complaint, unless all is right."""
    if not right:
        raise AssertionError(complaint)
