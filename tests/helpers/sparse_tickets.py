"""Masks with rows of every size."""

from __future__ import annotations

from torch import Tensor

from ticketbench.testing import run_cells


def tickets(plugins, cells) -> list[dict[str, Tensor]]:
    """The weights that the cells' tickets start from."""
    outcomes = run_cells(cells, plugins)
    assert [outcome.status for outcome in outcomes] == ["ok"] * len(cells)
    return [outcome.ticket.weights for outcome in outcomes if outcome.ticket]
