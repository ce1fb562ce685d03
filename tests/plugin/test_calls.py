"""Keywords of a forward: what makes a step another one, and where their tensors go."""

from __future__ import annotations

import torch

from ticketbench.plugin.calls import form_of, placed_on


def test_plain_values_make_another_form_and_numbers_of_tensors_do_not():
    """Their shape and type do; the order of keywords does not."""
    first = {"steps": 3, "draws": torch.rand(5)}
    assert form_of(first) == form_of({"draws": torch.zeros(5), "steps": 3})
    others = [{"steps": 4}, {"draws": torch.zeros(6)}, {"draws": torch.zeros(5, dtype=torch.float64)}, {"full": True}]
    assert len({form_of(first), *(form_of({**first, **other}) for other in others)}) == 5
    assert form_of({}) == "[]"


def test_only_tensors_are_moved():
    """The rest is as it was."""
    found = placed_on(torch.device("meta"), {"steps": 3, "draws": torch.rand(5)})
    assert found["steps"] == 3
    assert found["draws"].device.type == "meta"
