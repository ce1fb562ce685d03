"""What a link says of the units of a layer."""

from __future__ import annotations

import torch

from ticketbench import Link
from ticketbench.units.link import Passage


def test_rows_of_units_are_a_block_a_gate():
    """Unit 1 of three at two gates: rows 1 and 4; six rows are three units in two blocks."""
    link = Link("a", "b", gates=2)
    assert link.to_rows(torch.tensor([False, True, False])).tolist() == [False, True, False, False, True, False]
    assert link.by_unit(torch.arange(6)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_plain_layer_has_a_row_a_unit_and_one_reader():
    """No gates, no loops; the norms between are named in order."""
    steps = (Passage("norm", "first"), Passage("pointwise"), Passage("norm", "second"))
    link = Link("a", "b", 4, steps)
    assert (link.makers, link.readers, link.norms) == (("a",), {"b": 4}, ("first", "second"))
    assert link.to_rows(torch.tensor([True, False])).tolist() == [True, False]
    assert link.by_unit(torch.arange(3)).tolist() == [[0, 1, 2]]
    assert link.units(3) == 3
